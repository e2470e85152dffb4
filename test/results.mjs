// What became of each test of a run of Mocha: in the extension host, and around a window.

/** Collects while the run goes on. A hook that fails counts as a test. */
export function collectResults(runner) {
  const results = [];
  const add = (state) => (test, error) => {
    let suite = test.parent;
    while (suite.parent && !suite.parent.root) suite = suite.parent;
    results.push({ suite: suite.title, test: test.fullTitle(), state, error: error && String(error.message ?? error) });
  };
  runner.on("pass", add("passed"));
  runner.on("fail", add("failed"));
  runner.on("pending", add("skipped"));
  return results;
}
