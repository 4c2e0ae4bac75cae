/**
 * Questions to the server that one frame answers (`until`, `history`). They end with the session; the server
 * bounds how many of them wait, and refuses the next.
 */
import { AppError } from "../base/errors.js";
import type { ErrorFrame, ServerFrame } from "../protocol/frames.js";
import { abortable } from "./abortable.js";

interface Request {
  readonly resolve: (answer: ServerFrame) => void;
  readonly reject: (error: Error) => void;
}

export class Requests {
  /** By id. */
  readonly #open = new Map<number, Request>();

  /** `send` asks. Rejects with CLIENT_REQUEST_REFUSED, the signal's reason, or what `end` was given. */
  ask(id: number, send: () => void, signal: AbortSignal | undefined): Promise<ServerFrame> {
    return abortable(signal, (resolve, reject) => {
      this.#open.set(id, { resolve, reject });
      send();
      return () => {
        this.#open.delete(id);
      };
    });
  }

  answered(frame: ServerFrame & { readonly id: number }): void {
    this.#open.get(frame.id)?.resolve(frame);
  }

  /** Whether the frame refuses one of these. */
  refused({ id = 0, code, message, cure }: ErrorFrame): boolean {
    const request = this.#open.get(id);
    const text = `the server refused: ${message} (${code})`;
    request?.reject(new AppError("CLIENT_REQUEST_REFUSED", text, { context: { code }, cure }));
    return request !== undefined;
  }

  /** Every question goes without an answer. */
  end(error: AppError): void {
    for (const { reject } of this.#open.values()) reject(error);
    this.#open.clear();
  }
}
