package bankhttp

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// orderRequest is the body of POST /bank/v1/{pay_in,pay_out,refund}. Amounts stand in minor units
// beside their currency.
type orderRequest struct {
	Reference         string `json:"reference"`
	AccountToken      string `json:"account_token,omitempty"`
	OriginalReference string `json:"original_reference,omitempty"`
	Memo              string `json:"memo,omitempty"`
	money.Amount
}

func orderOf(order channel.Order) orderRequest {
	return orderRequest{
		Reference: string(order.Reference), AccountToken: order.AccountToken, Memo: order.Memo, Amount: order.Amount,
	}
}

// check refuses an order that no bank could understand.
func (o orderRequest) check(kind channel.Kind) error {
	switch {
	case o.Reference == "":
		return invalidOrder("an order has a reference")
	case kind == channel.KindRefund && o.OriginalReference == "":
		return invalidOrder("a refund names the order it gives back")
	case kind != channel.KindRefund && o.AccountToken == "":
		return invalidOrder("an order names an account")
	case utf8.RuneCountInString(o.Memo) > channel.MemoMax:
		return invalidOrder("the memo is too long")
	}
	return o.CheckPositive()
}

func invalidOrder(message string) error {
	return fault.New(fault.Invalid, channel.CodeInvalidOrder, message)
}

// orderAnswer is what the bank says about an order, in answers and in notices.
type orderAnswer struct {
	NoticeID      string    `json:"notice_id"`
	Reference     string    `json:"reference"`
	Kind          string    `json:"kind"`
	Status        string    `json:"status"`
	DeclineCode   string    `json:"decline_code"`
	BankReference string    `json:"bank_reference"`
	BookedAt      time.Time `json:"booked_at"`
	Message       string    `json:"message"`
	money.Amount
}

// result reads the outcome. Errors: a status that is none, a success without a booking.
func (a orderAnswer) result(capabilities channel.Capabilities) (channel.Result, error) {
	result := channel.Result{
		Outcome: channel.Outcome(a.Status), ChannelReference: a.BankReference,
		BookedAt: a.BookedAt.UTC().Truncate(time.Microsecond), Message: a.Message,
	}
	switch result.Outcome {
	case channel.OutcomeSucceeded:
		if a.BookedAt.IsZero() || a.BankReference == "" {
			return channel.Result{}, errors.New("a success without bank_reference and booked_at")
		}
		return result, nil
	case channel.OutcomeDeclined:
		result.DeclineCode, result.BookedAt = capabilities.DeclineCode(a.DeclineCode), time.Time{}
		return result, nil
	case channel.OutcomePending:
		result.BookedAt = time.Time{}
		return result, nil
	case channel.OutcomeUnknown, channel.OutcomeNotFound:
	}
	return channel.Result{}, fmt.Errorf("status %q is none", a.Status)
}

// expected is what an answer must be about.
type expected struct {
	reference string
	kind      channel.Kind
	amount    money.Amount
}

// check reports an answer about another order.
func (e expected) check(a orderAnswer) error {
	if a.Reference != e.reference || a.Kind != string(e.kind) || a.Amount != e.amount {
		return fmt.Errorf("asked for %s %s over %s, told of %s %s over %s",
			e.kind, e.reference, e.amount, a.Kind, a.Reference, a.Amount)
	}
	return nil
}

// problem is an answer that is no result. Booked is false where the bank is sure that nothing is
// booked under Reference, and missing where it does not say.
type problem struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	Reference string `json:"reference"`
	Booked    *bool  `json:"booked"`
}

// notBooked reports whether the bank says that nothing is booked under reference.
func (p problem) notBooked(reference string) bool {
	return p.Reference == reference && p.Booked != nil && !*p.Booked
}

type bindRequest struct {
	Number     string `json:"number"`
	HolderName string `json:"holder_name"`
}

type bindAnswer struct {
	AccountToken string         `json:"account_token"`
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

// line turns a line into the port's. Errors: another currency, no side, no positive amount.
func (l statementLine) line(currency money.Currency) (channel.StatementLine, error) {
	side := channel.Side(l.Side)
	if l.Currency != currency || l.CheckPositive() != nil || (side != channel.SideCredit && side != channel.SideDebit) {
		return channel.StatementLine{}, fmt.Errorf("line %s is not a movement in %s", l.BankReference, currency)
	}
	return channel.StatementLine{
		ChannelReference: l.BankReference, Reference: id.Attempt(l.Reference), Kind: channel.Kind(l.Kind), Side: side,
		Amount: l.Amount, BalanceAfter: money.Amount{Minor: l.BalanceAfter, Currency: currency}, BookedAt: l.BookedAt.UTC(),
	}, nil
}
