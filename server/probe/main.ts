/** @file Entry of the process of a probe (dist/probe-session.js). */
import { probeDocument } from "../../analysis/service/probe/document";
import { useTextsOf } from "../../analysis/texts/say";
import { serveProbe } from "./serve";

useTextsOf(process.env);
serveProbe(probeDocument);
