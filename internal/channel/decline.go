package channel

// DeclineCode is why an order was refused: stable, the same for all channels.
type DeclineCode string

const (
	// DeclineInsufficientFunds means that the account to be debited has too little money.
	DeclineInsufficientFunds DeclineCode = "insufficient_funds"
	// DeclineAccountClosed means that the account takes no more orders.
	DeclineAccountClosed DeclineCode = "account_closed"
	// DeclineDoNotHonor means a no without a reason that the channel wants to tell.
	DeclineDoNotHonor DeclineCode = "do_not_honor"
	// DeclineLimitExceeded means that the amount is above what the bank allows this customer.
	DeclineLimitExceeded DeclineCode = "limit_exceeded"
	// DeclineAccountNotFound means that there is no such account, or the binding has ended.
	DeclineAccountNotFound DeclineCode = "account_not_found"
	// DeclineNameMismatch means that the holder's name is not the one we gave.
	DeclineNameMismatch DeclineCode = "name_mismatch"
	// DeclineSuspectedFraud means that the bank's own risk control stopped the order.
	DeclineSuspectedFraud DeclineCode = "suspected_fraud"
	// DeclineBankUnavailable means that the channel reached us but not the customer's bank, and
	// gave the order up.
	DeclineBankUnavailable DeclineCode = "bank_unavailable"
	// DeclineCurrencyMismatch means that the account is in another currency.
	DeclineCurrencyMismatch DeclineCode = "currency_mismatch"
	// DeclineOriginalNotFound means that there is no such pay-in to refund.
	DeclineOriginalNotFound DeclineCode = "original_not_found"
	// DeclineRefundExceedsOriginal means that the refunds together would exceed the pay-in.
	DeclineRefundExceedsOriginal DeclineCode = "refund_exceeds_original"
	// DeclineAgreementSuspended means that the customer's agreement with the bank is suspended there.
	DeclineAgreementSuspended DeclineCode = "agreement_suspended"
	// DeclineAgreementEnded means that the customer's agreement with the bank has ended.
	DeclineAgreementEnded DeclineCode = "agreement_ended"
	// DeclineInvalidOrder means that the channel found the order malformed and says that it booked
	// nothing: a fault of ours, to be looked at.
	DeclineInvalidOrder DeclineCode = "invalid_order"
)

// Retry says what helps after a decline.
type Retry string

const (
	// RetryNever means that the same order will be declined again.
	RetryNever Retry = ""
	// RetryLater means that a new attempt with the same account may pass later.
	RetryLater Retry = "later"
	// RetryOther means that the payer should take another account or method.
	RetryOther Retry = "other"
)

// Decline is one line of a channel's table of decline codes: theirs, ours and what helps.
type Decline struct {
	Theirs string
	Code   DeclineCode
	Retry  Retry
}
