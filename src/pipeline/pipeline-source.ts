/** One source as the configuration names it. */
import type { Secret } from "../base/secret.js";
import type { Connector } from "../connector/connector.js";

/** What `Config.sources` holds fits. */
export interface PipelineSource {
  readonly name: string;
  /** As it is: the pipeline puts the guard around it. */
  readonly connector: Connector;
  readonly options: Secret<unknown>;
}
