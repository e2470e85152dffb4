/** @file Entry of the process of a probe (dist/probe-session.js). */
import { probeDocument } from "../../analysis/service/probe/document";
import { serveProbe } from "./serve";

serveProbe(probeDocument);
