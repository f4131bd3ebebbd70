import type { Problem } from "./types.js";

/**
 * The server refused a request: problem details of RFC 9457. Compare `code`, which is stable; `message` and `hint` are
 * for people. Nothing was done, unless `status` is 500 or above: then ask again with `idempotencyKey`.
 */
export class FeiqianError extends Error {
  override readonly name = "FeiqianError";
  readonly code: string;
  readonly status: number;
  readonly param: string | undefined;
  readonly hint: string | undefined;
  readonly requestId: string | undefined;
  readonly retryable: boolean;
  readonly details: unknown;
  /** Milliseconds that the server asks to wait; 0 where it does not say. */
  readonly retryAfter: number;
  /** The key that the refused act was sent with. */
  readonly idempotencyKey: string | undefined;

  constructor(problem: Problem, about: { retryAfter: number; idempotencyKey: string | undefined }) {
    super(`${problem.code} (${problem.status}): ${problem.detail}`);
    this.code = problem.code;
    this.status = problem.status;
    this.param = problem.param;
    this.hint = problem.hint;
    this.requestId = problem.request_id;
    this.retryable = problem.retryable;
    this.details = problem.details;
    this.retryAfter = about.retryAfter;
    this.idempotencyKey = about.idempotencyKey;
  }
}

/**
 * No answer came, or none that can be read. An act may have been done or not: ask again with `idempotencyKey`, which
 * does it at most once.
 */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
  readonly idempotencyKey: string | undefined;

  constructor(cause: unknown, idempotencyKey: string | undefined) {
    super(`no answer: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.idempotencyKey = idempotencyKey;
  }
}

const temporary = [429, 500, 502, 503, 504];

/** Whether the same call may be answered later. */
export function isTemporary(error: unknown): boolean {
  if (error instanceof FeiqianError) return error.retryable || temporary.includes(error.status);
  return error instanceof NoAnswerError;
}

/**
 * Reads an answer that is no success. What stands between us and the server may answer too, in words of its own: then
 * the code is http.STATUS.
 */
export function refusal(response: Response, text: string, idempotencyKey: string | undefined): FeiqianError {
  let problem: Problem;
  try {
    problem = JSON.parse(text) as Problem;
    if (typeof problem.code !== "string") throw new TypeError("no code");
    problem.status = response.status;
  } catch {
    problem = {
      type: "about:blank",
      title: response.statusText,
      status: response.status,
      code: `http.${response.status}`,
      detail: "the answer is not from the API",
      request_id: response.headers.get("Request-Id") ?? "",
      retryable: temporary.includes(response.status),
    };
  }
  const wait = Math.max(
    readRetryAfter(response.headers.get("Retry-After")),
    (problem.retry_after ?? 0) * 1000,
  );
  return new FeiqianError(problem, { retryAfter: wait, idempotencyKey });
}

/** RFC 9110 §10.2.3: seconds or a date. */
function readRetryAfter(text: string | null): number {
  if (text === null) return 0;
  const wait = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(wait) ? Math.max(wait, 0) : 0;
}
