import assert from "node:assert/strict";
import { it } from "node:test";
import { problemReport, type ProblemFacts } from "./problem-report";

const facts: ProblemFacts = {
  extension: "0.1.0",
  editor: "1.139.1",
  host: "desktop, ssh",
  platform: "linux x64",
  trusted: false,
  folders: 2,
  settings: { "lint.configuration": "/home/somebody/secret.toml", "lint.rules": { "bias-before-norm": "off" }, certify: "never" },
  status: "ready",
  server: { node: "24.21.0", documents: 3, megabytes: 81.4, uptime: 600 },
  milliseconds: [12, 3, 250],
};

it("a report of a problem says where it happened, and no names of files", () => {
  const report = problemReport(facts);
  for (const part of [
    "0.1.0",
    "1.139.1",
    "not trusted, 2 folders",
    "median 12.0 ms, longest 250.0 ms",
    "81 MB",
    '"certify": "never"',
  ])
    assert.ok(report.includes(part), part);
  assert.match(report, /"bias-before-norm": "off"/);
  assert.match(report, /"lint.configuration": "\(set\)"/);
  assert.doesNotMatch(report, /secret|somebody/);
});

it("a report can be made while the server is down", () => {
  const { server: _server, ...rest } = facts;
  const report = problemReport({ ...rest, milliseconds: [] });
  assert.match(report, /\| Server \| does not answer \|/);
  assert.match(report, /none yet/);
});
