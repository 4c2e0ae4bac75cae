/**
 * Store code that is written once and runs both ways: as generators that yield what may be a promise.
 * With a blocking driver `drive` never gives way to other code, with an asynchronous one it waits. An
 * async function could not: each await lets the app's code run in the middle of a transaction.
 */
import type { Answer } from "./sqlite-driver.js";

export type Work<T> = Generator<Promise<unknown>, T, unknown>;

/** The answer, waited for if need be: `const rows = yield* got(connection.all(…))`. */
export function* got<T>(answer: Answer<T>): Work<T> {
  return isPending(answer) ? ((yield answer) as T) : answer;
}

/** By its method, not its class: React Native brings its own Promise. */
export function isPending<T>(answer: Answer<T>): answer is Promise<T> {
  return typeof answer === "object" && answer !== null && "then" in answer;
}

/** Runs the work to its end; answers at once unless something in it was a promise. */
export function drive<T>(work: Work<T>): Answer<T> {
  const first = work.next();
  return first.done === true ? first.value : driveOn(work, first.value);
}

async function driveOn<T>(work: Work<T>, pending: Promise<unknown>): Promise<T> {
  let waiting = pending;
  for (;;) {
    let step: IteratorResult<Promise<unknown>, T>;
    try {
      step = work.next(await waiting);
    } catch (error) {
      step = work.throw(error);
    }
    if (step.done === true) return step.value;
    waiting = step.value;
  }
}
