// What npm runs before it packs the package: `npm ci` here, and installations from git, as pre-commit makes them.
// For `npm install -g git+...` npm prepares the clone in global mode too, without the packages that build it: they are
// installed here then.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

if (!existsSync("node_modules/esbuild")) {
  const environment = { ...process.env, npm_config_global: "false", npm_config_location: "project" };
  delete environment["npm_config_prefix"];
  const npm = process.env["npm_execpath"];
  const options = ["ci", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const [command, ...args] = npm === undefined ? ["npm", ...options] : [process.execPath, npm, ...options];
  execFileSync(command, args, { stdio: "inherit", env: environment });
}
await import("./build.mjs");
