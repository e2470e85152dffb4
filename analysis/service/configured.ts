/** @file The configuration that holds for a file, and a loader that reads files as it says. */
import path from "node:path";
import { type Configuration, DEFAULT_CONFIGURATION, type RuleSetting } from "../configuration/configuration";
import { ConfigurationReader, type ReadConfiguration } from "../configuration/read";
import { rules } from "../rules/registry";
import { Loader } from "./models";

/** Where configuration comes from. */
export interface ConfigurationSources {
  /** A configuration file instead of those that are found; `false` for none. */
  readonly configuration?: string | false;
  /** Settings of rules where no file says otherwise: an editor's. */
  readonly under?: ReadonlyMap<string, RuleSetting>;
  /** Settings of rules over everything that files say: a command line's. */
  readonly over?: ReadonlyMap<string, RuleSetting>;
}

/** Configurations by place, and loaders by what configuration says of loading. */
export class Configured {
  readonly #sources: ConfigurationSources;
  readonly #base: Configuration;
  readonly #reader: ConfigurationReader;
  readonly #loaders = new Map<string, Loader>();

  constructor(sources: ConfigurationSources = {}) {
    this.#sources = sources;
    this.#base = { ...DEFAULT_CONFIGURATION, rules: sources.under ?? new Map() };
    this.#reader = new ConfigurationReader(rules, this.#base);
  }

  /** What holds for a file or folder, with mistakes in what says it. */
  configurationFor(place: string): ReadConfiguration {
    const { configuration: named, over } = this.#sources;
    const read =
      named === false
        ? { configuration: this.#base, problems: [] }
        : named === undefined
          ? this.#reader.configurationFor(place)
          : this.#reader.read(path.resolve(named));
    if (!over || over.size === 0) return read;
    const { configuration } = read;
    // Said last: wins over what the configuration says for single files.
    const everywhere = { folder: path.parse(path.resolve(place)).root, files: ["**"], rules: over };
    return { ...read, configuration: { ...configuration, overrides: [...configuration.overrides, everywhere] } };
  }

  /** The loader for files of a configuration. It counts no dimensions by rank: rules do not need them, and they are slow. */
  loaderFor({ models }: Configuration): Loader {
    const key = models.join("\n");
    let loader = this.#loaders.get(key);
    if (!loader) {
      loader = new Loader({ analysis: { numeric: false }, ...(models.length > 0 ? { calls: models } : {}) });
      this.#loaders.set(key, loader);
    }
    return loader;
  }
}
