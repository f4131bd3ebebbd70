package bank

import (
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/money"
)

// The kinds and states of an order, as the bank calls them on the wire.
const (
	kindPayIn  = "pay_in"
	kindPayOut = "pay_out"
	kindRefund = "refund"

	statusSucceeded = "succeeded"
	statusDeclined  = "declined"
	statusPending   = "pending"
)

// Why the bank declines. The names are those of internal/channel, which the bank does not know.
const (
	declineInsufficientFunds     = "insufficient_funds"
	declineDoNotHonor            = "do_not_honor"
	declineAccountClosed         = "account_closed"
	declineLimitExceeded         = "limit_exceeded"
	declineSuspectedFraud        = "suspected_fraud"
	declineAccountNotFound       = "account_not_found"
	declineNameMismatch          = "name_mismatch"
	declineCurrencyMismatch      = "currency_mismatch"
	declineOriginalNotFound      = "original_not_found"
	declineRefundExceedsOriginal = "refund_exceeds_original"
)

// orderRequest is an order as it comes in. A refund names the original instead of an account.
type orderRequest struct {
	Reference         string `json:"reference"`
	AccountToken      string `json:"account_token,omitempty"`
	OriginalReference string `json:"original_reference,omitempty"`
	Memo              string `json:"memo,omitempty"`
	money.Amount

	kind string
}

// referenceMax is the longest reference, memoMax the longest memo, in bytes.
const (
	referenceMax = 64
	memoMax      = 320
)

// fault returns what is wrong with the order, "" if nothing is.
func (o orderRequest) fault() string {
	switch {
	case !validReference(o.Reference):
		return "reference must be 1 to 64 letters, digits, _ or -"
	case o.CheckPositive() != nil:
		return "amount must be positive, in a known currency"
	case len(o.Memo) > memoMax:
		return "memo is too long"
	case o.kind == kindRefund && (!validReference(o.OriginalReference) || o.AccountToken != ""):
		return "a refund has an original_reference and no account_token"
	case o.kind != kindRefund && (o.AccountToken == "" || o.OriginalReference != ""):
		return "an order has an account_token and no original_reference"
	}
	return ""
}

// fingerprint tells two orders under one reference apart.
func (o orderRequest) fingerprint() string {
	return strings.Join([]string{o.kind, o.AccountToken, o.OriginalReference, o.String()}, "\n")
}

func validReference(reference string) bool {
	if reference == "" || len(reference) > referenceMax {
		return false
	}
	return strings.IndexFunc(reference, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}) < 0
}

// orderAnswer is what the bank says about an order, in answers and in notices.
type orderAnswer struct {
	NoticeID      string    `json:"notice_id,omitempty"`
	Reference     string    `json:"reference"`
	Kind          string    `json:"kind"`
	Status        string    `json:"status"`
	DeclineCode   string    `json:"decline_code,omitempty"`
	BankReference string    `json:"bank_reference"`
	BookedAt      time.Time `json:"booked_at,omitzero"`
	Message       string    `json:"message,omitempty"`
	money.Amount
}

// problem is an answer that is no result. Booked is present, and false, only where the bank is sure
// that nothing is booked under Reference.
type problem struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	Reference string `json:"reference,omitempty"`
	Booked    *bool  `json:"booked,omitempty"`
}

type bindRequest struct {
	Number     string `json:"number"`
	HolderName string `json:"holder_name"`
}

type bindAnswer struct {
	Token        string         `json:"account_token"`
	MaskedNumber string         `json:"masked_number"`
	BankName     string         `json:"bank_name"`
	Currency     money.Currency `json:"currency"`
}

type statementLine struct {
	BankReference string    `json:"bank_reference"`
	Reference     string    `json:"reference"`
	Kind          string    `json:"kind"`
	Side          string    `json:"side"`
	BalanceAfter  int64     `json:"balance_after"`
	BookedAt      time.Time `json:"booked_at"`
	money.Amount
}

type statementAnswer struct {
	Lines   []statementLine `json:"lines"`
	Opening money.Amount    `json:"opening"`
	Closing money.Amount    `json:"closing"`
	Next    string          `json:"next"`
	More    bool            `json:"more"`
}
