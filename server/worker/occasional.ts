/** @file A process for work that comes now and then: it is started at need, and ended when there has been none for a while. */
import { AnalysisProcess, type WorkerModule } from "./process";

/** A process that is there only while it has work. */
export class OccasionalProcess {
  #process: AnalysisProcess | undefined;
  #idle: NodeJS.Timeout | undefined;

  /**
   * @param idle milliseconds after which the process is ended; must be longer than any of its jobs may take
   * @param grace see `AnalysisProcess`
   */
  constructor(
    private readonly module: WorkerModule,
    private readonly options: { readonly idle: number; readonly grace: number },
  ) {}

  /** The process, which ends some time after the last call of this. */
  get(): AnalysisProcess {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.dispose(), this.options.idle).unref();
    return (this.#process ??= new AnalysisProcess(this.module, { grace: this.options.grace }));
  }

  dispose(): void {
    clearTimeout(this.#idle);
    this.#process?.dispose();
    this.#process = undefined;
  }
}
