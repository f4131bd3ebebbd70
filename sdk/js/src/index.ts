export { Feiqian } from "./client.js";
export type {
  Balance as BalanceCalls,
  Checkouts,
  Disputes,
  Events,
  Follow,
  Payments,
  Receipts,
  Refunds,
  Signatures,
} from "./client.js";
export type { PaymentLinks, QRCodes, SplitRules, WebhookEndpoints } from "./house.js";
export { DocumentError, PlatformKeys } from "./document.js";
export type { AppResult, KeySet } from "./document.js";
export { requestSigner, signRequest } from "./sign.js";
export type { Signer, SigningAlgorithm } from "./sign.js";
export { parsePaymentCode } from "./code.js";
export { FeiqianError, NoAnswerError } from "./errors.js";
export { apiVersion } from "./transport.js";
export type { CallOptions, Options } from "./transport.js";
export type * from "./types.js";
export { Webhook, WebhookError, webhookTolerance } from "./webhook.js";
export type { WebhookHeaders } from "./webhook.js";
