// Lint rules, and the direction of imports: what each room of the project may import. `npm run lint` checks both.

/** Inside analysis/: each room and the rooms it may import. A room that is not listed may import none. */
const ROOMS = {
  texts: [],
  graph: [],
  operators: ["graph"],
  numerics: ["graph"],
  lowering: ["operators", "graph"],
  frontends: ["operators", "graph"],
  symmetry: ["lowering", "numerics", "operators", "graph"],
  drawing: ["symmetry", "operators", "graph"],
  dynamics: ["texts", "symmetry", "lowering", "numerics", "operators", "graph"],
  runtime: ["frontends", "symmetry", "lowering", "numerics", "operators", "graph"],
  certification: ["runtime", "frontends", "symmetry", "lowering", "numerics", "operators", "graph"],
  exporting: ["runtime", "frontends", "symmetry", "lowering", "numerics", "operators", "graph"],
  probe: ["certification", "dynamics", "symmetry", "runtime", "frontends", "lowering", "numerics", "operators", "graph"],
  rules: ["texts", "probe", "dynamics", "symmetry", "frontends", "lowering", "numerics", "operators", "graph"],
  fixes: ["texts", "rules", "probe", "dynamics", "symmetry", "frontends", "lowering", "numerics", "operators", "graph"],
  configuration: ["rules", "graph"],
  lint: ["texts", "configuration", "fixes", "rules", "graph"],
  report: [
    "texts",
    "lint",
    "configuration",
    "fixes",
    "rules",
    "probe",
    "dynamics",
    "symmetry",
    "frontends",
    "lowering",
    "operators",
    "graph",
  ],
};
/** The two ways in, which may import every room of analysis/: a host calls `service`, a shell calls `cli`. */
ROOMS.service = Object.keys(ROOMS);
ROOMS.cli = Object.keys(ROOMS);

const restrict = (files, ...patterns) => ({ files, rules: { "no-restricted-imports": ["error", { patterns }] } });

const HOSTS = {
  message: "analysis is a pure library: it knows neither an editor nor a protocol.",
  group: ["vscode", "vscode/**", "vscode-language*", "vscode-language*/**", "**/server/**", "**/client/**"],
};
const EDITOR = {
  message: "The language server knows nothing of VS Code.",
  group: ["vscode", "vscode/**", "vscode-languageclient", "vscode-languageclient/**", "**/client/**"],
};
const ANALYSIS = {
  message: "The server holds no analysis: types come from server/protocol, results from the analysis host.",
  group: ["**/analysis/**", "!**/analysis/texts/**"],
};
const SERVER = {
  message: "The client talks to the server in the terms of server/protocol, and to nothing else.",
  group: ["**/analysis/**", "**/server/**", "!**/server/protocol", "vscode-languageserver", "vscode-languageserver/**"],
};

const rooms = Object.entries(ROOMS).map(([room, allowed]) => {
  const forbidden = Object.keys(ROOMS).filter((other) => other !== room && !allowed.includes(other));
  if (forbidden.length === 0) return restrict([`analysis/${room}/**`], HOSTS);
  const message = `analysis/${room} may import ${allowed.length > 0 ? `only ${allowed.join(", ")}` : "no other room"}.`;
  return restrict([`analysis/${room}/**`], HOSTS, { message, group: forbidden.map((other) => `**/${other}/**`) });
});

export default {
  plugins: ["typescript", "unicorn", "oxc", "import", "promise", "node"],
  categories: { correctness: "error" },
  ignorePatterns: ["dist", "out", "testFixtures", "**/generated", "**/node_modules"],
  rules: {
    "typescript/await-thenable": "error",
    "typescript/ban-ts-comment": "error",
    "typescript/consistent-type-imports": "error",
    "typescript/no-explicit-any": "error",
    // node:test keeps account of its tests itself.
    "typescript/no-floating-promises": [
      "error",
      { allowForKnownSafeCalls: [{ from: "package", package: "node:test", name: ["describe", "it", "suite", "test"] }] },
    ],
    "typescript/no-misused-promises": "error",
    "typescript/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
    // Types may know each other; what runs may not load in a circle.
    "import/no-cycle": ["error", { ignoreTypes: true }],
    "import/no-self-import": "error",
    "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
    // Entries of the operator table are plain objects whose functions never read `this`.
    "typescript/unbound-method": "off",
    // Strings that are spread here are identifiers and einsum equations.
    "typescript/no-misused-spread": "off",
    // An if statement of a syntax tree has a `then`.
    "unicorn/no-thenable": "off",
    // What is iterated may change meanwhile: then the copy is the point.
    "unicorn/no-useless-spread": "off",
    // Walking up a chain of links starts at oneself.
    "typescript/no-this-alias": "off",
    // new Array(n) is the plain way to reserve n entries in numeric code.
    "unicorn/no-new-array": "off",
  },
  overrides: [
    restrict(["analysis/**"], HOSTS),
    ...rooms,
    restrict(["server/**"], EDITOR, ANALYSIS),
    restrict(["server/protocol.ts", "server/worker/main.ts", "server/worker/layout.ts", "server/probe/main.ts"], EDITOR),
    restrict(["client/**"], SERVER),
    // An evaluator's cases call each other, whatever files they are in; and its values print by String on purpose.
    {
      files: ["analysis/frontends/python/**"],
      rules: { "import/no-cycle": "off", "typescript/no-base-to-string": "off", "oxc/only-used-in-recursion": "off" },
    },
    // Tests compare rooms with each other, so no direction holds for them.
    { files: ["**/*.test.ts", "**/testing/**"], rules: { "no-restricted-imports": "off" } },
  ],
};
