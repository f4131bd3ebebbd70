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

/** Gives parts of what waits of a payment to receivers. */
export type NewSplits = Schemas["Split_payment_body"];
export type Split = Schemas["Split"];
/** Lets a refund that waits for you go through, or refuses it. */
export type RefundApproval = Schemas["Approve_refund_body"];
export type RefundRejection = Schemas["Reject_refund_body"];

export type RefundFilter = Query<"list_all_refunds">;
export type PaymentFilter = Query<"list_payments">;
export type EventFilter = Query<"list_events">;
export type BalanceQuery = Query<"get_merchant_balance">;
export type StatementFilter = Query<"get_merchant_statement">;

/** One page of a list. */
export type Page<T> = { data: T[] | null; has_more: boolean; next_cursor?: string };
