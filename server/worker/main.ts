/** @file Entry of the analysis process (dist/analysis.js). */
import { createAnalysisService } from "../../analysis/service/service";
import { useTextsOf } from "../../analysis/texts/say";
import { optimiseAsUsual, optimiseLess } from "./optimisation";
import { serveAnalysis } from "./serve";

optimiseLess();
useTextsOf(process.env);
serveAnalysis(createAnalysisService(), optimiseAsUsual);
