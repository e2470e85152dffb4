/** @file Entry of the analysis process (dist/analysis.js). */
import { createAnalysisService } from "../../analysis/service/service";
import { optimiseAsUsual, optimiseLess } from "./optimisation";
import { serveAnalysis } from "./serve";

optimiseLess();
serveAnalysis(createAnalysisService(), optimiseAsUsual);
