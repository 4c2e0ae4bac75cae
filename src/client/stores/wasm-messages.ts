/**
 * What a page and the worker of its store tell each other: a whole transaction a message. And what tabs that
 * do not have the database open ask the worker of the one that has, over a BroadcastChannel.
 */
import type { ErrorCode } from "../../base/error-catalogue.js";
import { AppError, errorText } from "../../base/errors.js";
import type { TableSchema } from "../../model/table.js";
import type { SqliteValue } from "./sqlite-driver.js";
import type { TableMapping } from "./sqlite-table.js";
import type { EntryBatch, KeptChannel, StoreChanges, StoreUnit } from "./store.js";

/** Raised when pages and workers of two versions could misread each other: they then don't hear each other. */
const LINE_VERSION = 1;

export interface OpenOptions {
  readonly name: string;
  readonly durability: "relaxed" | "strict";
  readonly tables: Readonly<Record<string, TableMapping>>;
}

/** A statement that reads. */
export interface RowsAsked {
  readonly sql: string;
  readonly values: readonly (SqliteValue | bigint)[];
}

export interface RowsFound {
  readonly names: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
}

/** What the worker does, by name, with one argument each. */
export interface WorkerCalls {
  open(options: OpenOptions): readonly KeptChannel[];
  check(schema: TableSchema): void;
  apply(unit: StoreUnit): StoreChanges;
  stage(batches: readonly EntryBatch[]): void;
  unstage(channels: readonly string[]): void;
  detach(channels: readonly string[]): StoreChanges;
  rows(asked: RowsAsked): RowsFound;
  /** Statements of the app's, in one transaction. */
  exec(sql: string): void;
  /** Lets go of the database. */
  close(nothing: undefined): void;
}

export type CallName = keyof WorkerCalls;
export type Argument<Name extends CallName> = Parameters<WorkerCalls[Name]>[0];
export type Answer<Name extends CallName> = ReturnType<WorkerCalls[Name]>;

export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly cure: string | undefined;
}

export type Outcome = { readonly value: unknown } | { readonly error: PlainError };

export interface WorkerRequest {
  readonly id: number;
  readonly call: CallName;
  readonly argument: unknown;
}

export type WorkerAnswer = Outcome & { readonly id: number };

/** From a worker whose database another tab has taken: it is of no use any more. */
export interface WorkerTaken {
  readonly taken: true;
}

/** What another tab may ask for. */
export type AskedCall = "rows" | "exec";

export interface LineRequest extends WorkerRequest {
  readonly call: AskedCall;
  /** The tab that asks. */
  readonly from: string;
}

/** From the worker that has opened the database. */
export interface LineOpened {
  readonly opened: true;
}

/** Where tabs ask, and hear that the database was opened. */
export function askLine(name: string): string {
  return `changecast:sql:${LINE_VERSION}:${name}`;
}

/** Where the tab hears its answers, which are copied into no other tab. */
export function answerLine(name: string, tab: string): string {
  return `${askLine(name)}:${tab}`;
}

export function plainError(error: unknown): PlainError {
  if (error instanceof AppError) {
    return { code: error.code, message: error.message, cure: error.cure };
  }
  return { code: "CLIENT_STORE_FAILED", message: errorText(error), cure: undefined };
}

export function appError({ code, message, cure }: PlainError): AppError {
  return new AppError(code, message, cure === undefined ? {} : { cure });
}
