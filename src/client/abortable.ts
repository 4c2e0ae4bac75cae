/** A promise that also ends when its signal does. */

export type Begin<T> = (
  resolve: (value: T) => void,
  reject: (error: unknown) => void,
) => () => void;

/** `begin` starts the wait and returns how to end it, which happens once, however the promise ends. */
export async function abortable<T>(signal: AbortSignal | undefined, begin: Begin<T>): Promise<T> {
  let end: (() => void) | undefined;
  let abort: (() => void) | undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      abort = () => {
        reject(signal?.reason as Error);
      };
      if (signal?.aborted === true) abort();
      else {
        signal?.addEventListener("abort", abort);
        end = begin(resolve, reject);
      }
    });
  } finally {
    if (abort !== undefined) signal?.removeEventListener("abort", abort);
    end?.();
  }
}
