/** @file What is made when it is first read. */

/** A value that is made when it is first asked for. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** The getter of each name, and where an object keeps what makes the property's value. */
const PROPERTIES = new Map<string, { readonly key: symbol; readonly get: (this: Made) => unknown }>();

interface Made {
  readonly [key: symbol]: (() => unknown) | undefined;
}

function propertyOf(name: string): { readonly key: symbol; readonly get: (this: Made) => unknown } {
  let known = PROPERTIES.get(name);
  if (known === undefined) {
    const key = Symbol(name);
    known = {
      key,
      get() {
        return this[key]?.();
      },
    };
    PROPERTIES.set(name, known);
  }
  return known;
}

/**
 * Gives an object properties of its own that are computed when they are first read; copies of it hold their values. A getter
 * in an object literal says the same, but V8 makes a hidden class for each object that has one, which keeps all that the
 * getter closes over until the next full collection: a whole analysis.
 */
export function withLazy<T extends object, M extends Readonly<Record<string, () => unknown>>>(
  object: T,
  makers: M,
): T & { readonly [K in keyof M]: ReturnType<M[K]> } {
  for (const name in makers) {
    const { key, get } = propertyOf(name);
    Object.defineProperty(object, key, { value: once(makers[name]!) });
    Object.defineProperty(object, name, { get, enumerable: true });
  }
  return object as T & { readonly [K in keyof M]: ReturnType<M[K]> };
}
