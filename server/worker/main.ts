/** @file Entry of the analysis process (dist/analysis.js). */
import { createAnalysisService } from "../../analysis/service/service";
import { serveAnalysis } from "./serve";

serveAnalysis(createAnalysisService());
