/**
 * Questions to the server that one frame answers (`history`): kept over a cut and asked again, until the
 * caller gives up.
 */
import { AppError } from "../base/errors.js";
import type { ClientFrame, ErrorFrame, ServerFrame } from "../protocol/frames.js";

interface Request {
  readonly frame: (id: number) => ClientFrame;
  readonly resolve: (answer: ServerFrame) => void;
  readonly reject: (error: Error) => void;
  /** Asked again in the next session; else a cut ends it. */
  readonly again: boolean;
  id: number | undefined;
}

/** More questions at once than this and something is wrong in the app: the newest is refused. */
const REQUESTS_MAX = 1_000;

export class Requests {
  readonly #send: (frame: (id: number) => ClientFrame) => number | undefined;
  readonly #open = new Set<Request>();

  /** `send` answers the id it gave the frame; undefined while no session is open. */
  constructor(send: (frame: (id: number) => ClientFrame) => number | undefined) {
    this.#send = send;
  }

  get isWaiting(): boolean {
    return this.#open.size > 0;
  }

  /** Rejects with CLIENT_REQUEST_REFUSED, CLIENT_CLOSED, the signal's reason, or CLIENT_SILENT after a cut that ends it. */
  ask(
    frame: (id: number) => ClientFrame,
    { signal, again }: { readonly signal?: AbortSignal | undefined; readonly again: boolean },
  ): Promise<ServerFrame> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      if (this.#open.size >= REQUESTS_MAX) {
        reject(new AppError("CLIENT_REQUEST_REFUSED", `${REQUESTS_MAX} requests wait already`));
        return;
      }
      const end = (): void => {
        this.#open.delete(request);
        signal?.removeEventListener("abort", onAbort);
      };
      const onAbort = (): void => {
        end();
        reject(signal?.reason as Error);
      };
      const request: Request = {
        frame,
        resolve: (answer) => {
          end();
          resolve(answer);
        },
        reject: (error) => {
          end();
          reject(error);
        },
        again,
        id: undefined,
      };
      signal?.addEventListener("abort", onAbort);
      this.#open.add(request);
      request.id = this.#send(frame);
    });
  }

  /** Asks again what waits: a session is open. */
  welcomed(): void {
    for (const request of this.#open) request.id = this.#send(request.frame);
  }

  cut(): void {
    for (const request of [...this.#open]) {
      request.id = undefined;
      if (!request.again) request.reject(new AppError("CLIENT_SILENT", "the session ended"));
    }
  }

  /** Whether the id was one of these. */
  answered(id: number, frame: ServerFrame): boolean {
    const request = this.#find(id);
    request?.resolve(frame);
    return request !== undefined;
  }

  /** Whether the id was one of these. */
  refused(id: number, { code, message }: ErrorFrame): boolean {
    const request = this.#find(id);
    request?.reject(
      new AppError("CLIENT_REQUEST_REFUSED", `the server refused: ${message} (${code})`, {
        context: { code },
      }),
    );
    return request !== undefined;
  }

  close(): void {
    for (const request of [...this.#open]) {
      request.reject(new AppError("CLIENT_CLOSED", "the cast was closed before the answer came"));
    }
  }

  #find(id: number): Request | undefined {
    for (const request of this.#open) if (request.id === id) return request;
    return undefined;
  }
}
