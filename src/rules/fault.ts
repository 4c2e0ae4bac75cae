/** Something wrong with one part of a rule, before it is known which rule that is. */
import { errorCatalogue, type ErrorCode } from "../base/error-catalogue.js";
import type { Problem } from "../model/problem.js";

export interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
  /** The catalogue's, when it is not given. */
  readonly cure?: string;
  /** Characters from the start of the part's text. */
  readonly at?: number;
}

/** `rule` names the rule in front of the message; `path` leads to the part in the YAML. */
export function problemOf(fault: Fault, rule: string, path: readonly (string | number)[]): Problem {
  return {
    code: fault.code,
    level: "error",
    message: `rule ${rule}: ${fault.message}`,
    cure: fault.cure ?? errorCatalogue[fault.code].cure,
    path,
    ...(fault.at === undefined ? {} : { at: fault.at }),
  };
}
