import type { components, operations } from "./generated.js";

// The API's types by short names. They are generated from the OpenAPI document: see generated.ts.

type Schemas = components["schemas"];
type Query<Name extends keyof operations> = NonNullable<operations[Name]["parameters"]["query"]>;

export type Amount = Schemas["Amount"];
export type Payment = Schemas["Payment"];
export type PaymentDetail = Schemas["PaymentDetail"];
export type PaymentState = Payment["state"];
export type Capture = Schemas["Capture"];
export type Refund = Schemas["Refund"];
export type Event = Schemas["Event"];
export type Balance = Schemas["BalanceView"];
export type Posting = Schemas["Posting"];
export type Receipt = Schemas["Receipt"];
export type Problem = Schemas["Problem"];
export type SigningKey = Schemas["PublicKey"];
/** A signed request, for the debugger. */
export type SignatureQuestion = Schemas["DebugSignatureBody"];
export type Diagnosis = Schemas["Diagnosis"];

/** Asks for a payment. With payment_code, as scanned from the payer's phone, the answer is final. */
export type NewPayment = Schemas["CreatePaymentBody"];
/** Asks for a payment with its hosted page. */
export type NewCheckout = Schemas["CreateCheckoutBody"];
export type Checkout = Schemas["Checkout"];
/** Sites that may show the hosted page within theirs. */
export type CheckoutOrigins = Schemas["Origins"];
/** Takes authorized money; {} all of it. */
export type NewCapture = Schemas["CapturePaymentBody"];
/** Gives money back; {} all that is left. */
export type NewRefund = Schemas["CreateRefundBody"];

/** An address that makes a payment for each payer who begins one. */
export type PaymentLink = Schemas["Link"];
/** What a link begins with; without amount the payer says how much. */
export type NewPaymentLink = Schemas["CreatePaymentLinkBody"];
/** A code to print: of the merchant or of one of its stores. */
export type QRCode = Schemas["Code"];
export type NewQRCode = Schemas["CreateQRCodeBody"];
export type PresentedCode = Schemas["Presented"];
export type SplitRule = Schemas["SplitRule"];
export type SplitPart = Schemas["SplitPart"];
export type RefundRules = Schemas["RefundRules"];
export type NewRefundRules = Schemas["Set_refund_rules_body"];
export type WebhookEndpoint = Schemas["Endpoint"];
export type WebhookWithSecret = Schemas["WebhookWithSecret"];
export type NewWebhookEndpoint = Schemas["CreateWebhookBody"];
export type WebhookChange = Schemas["ChangeWebhookBody"];
export type WebhookDelivery = Schemas["Delivery"];
export type WebhookReplay = Schemas["ReplayEventsBody"];
export type Queued = Schemas["Queued"];
/** A signed request that your app hands to the wallet. */
export type AppRequest = Schemas["AppRequest"];
export type NewAppRequest = Schemas["Create_app_request_body"];
/** One half of a payment's instruction. */
export type Instruction = Schemas["Instruction"];

/** Gives parts of what waits of a payment to receivers. */
export type NewSplits = Schemas["Split_payment_body"];
export type Split = Schemas["Split"];
/** Lets a refund that waits for you go through, or refuses it. */
export type RefundApproval = Schemas["Approve_refund_body"];
export type RefundRejection = Schemas["Reject_refund_body"];

export type PaymentLinkFilter = Query<"list_payment_links">;
export type QRCodeFilter = Query<"list_qr_codes">;
export type WebhookDeliveryFilter = Query<"list_webhook_deliveries">;
/** How a code is drawn. */
export type Drawing = Query<"draw_qr_code">;
export type Dispute = Schemas["Dispute"];
export type DisputeFilter = Query<"list_disputes">;
/** Gives a disputed amount back, or contests it. */
export type DisputeAcceptance = Schemas["Accept_dispute_body"];
export type DisputeContest = Schemas["Contest_dispute_body"];
export type RefundFilter = Query<"list_all_refunds">;
export type PaymentFilter = Query<"list_payments">;
export type EventFilter = Query<"list_events">;
export type BalanceQuery = Query<"get_merchant_balance">;
export type StatementFilter = Query<"get_merchant_statement">;

/** One page of a list. */
export type Page<T> = { data: T[] | null; has_more: boolean; next_cursor?: string };
