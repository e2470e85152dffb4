/** @file Entry of the process that lays drawings out (dist/layout.js). */
import { layout } from "../../analysis/drawing/layout";
import { serveLayout } from "./serve";

serveLayout(layout);
