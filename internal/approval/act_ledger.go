package approval

import (
	"context"

	"github.com/go-json-experiment/json"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
)

// LedgerEntry is the kind of a manual entry.
const LedgerEntry = "ledger.entry"

// ReasonCorrection is the reason of every line of a manual entry.
const ReasonCorrection ledger.Reason = "correction"

// ManualEntry is the request of LedgerEntry: transfers that are posted together.
type ManualEntry struct {
	Lines []ManualLine `json:"lines" minItems:"1" maxItems:"50"`
}

// ManualLine is one transfer.
type ManualLine struct {
	Debit  string       `json:"debit" maxLength:"120" doc:"Account, code:currency[:owner]." example:"2301:CNY"`
	Credit string       `json:"credit" maxLength:"120" example:"2001:CNY:cus_01kanq4j3qf8yt0v5d7r2m9xce"`
	Amount money.Amount `json:"amount"`
}

// LedgerAct is the manual entry, which corrects what a flow could not: balanced as every entry is, since each line
// has both sides.
func LedgerAct(books *ledger.Ledger, clk *clock.Clock) Act {
	return Act{
		Kind: LedgerEntry, Done: "ledger.entry_posted", Permission: auth.CorrectLedger,
		Title: "post a manual entry", TitleZH: "手工记账",
		Prepare: func(_ context.Context, d Draft) (Plan, error) {
			var request ManualEntry
			if err := json.Unmarshal(d.Request, &request); err != nil {
				return Plan{}, fault.Wrap(err, "read the request")
			}
			lines, err := request.check()
			if err != nil {
				return Plan{}, err
			}
			entry := ledger.NewEntry(clk.Now(), string(d.Proposal), lines...)
			return Plan{
				Subject: string(d.Proposal), Keys: books.KeysOf(lines),
				Diff: func(*commit.Tx) (any, any, error) { return nil, request, nil },
				Execute: func(tx *commit.Tx) (any, error) {
					err := books.Post(tx, entry)
					return Posted{Entry: entry.ID}, err
				},
			}, nil
		},
	}
}

// Posted is the result of a manual entry.
type Posted struct {
	Entry id.Entry `json:"entry_id"`
}

// check turns a request into lines. Errors: ledger.bad_account, money.*, ledger.bad_lines.
func (m *ManualEntry) check() ([]ledger.Line, error) {
	var lines []ledger.Line
	for _, line := range m.Lines {
		debit, err := ledger.ParseAccountID(line.Debit)
		if err != nil {
			return nil, fault.From(err).WithParam("debit")
		}
		credit, err := ledger.ParseAccountID(line.Credit)
		if err != nil {
			return nil, fault.From(err).WithParam("credit")
		}
		if err := line.Amount.CheckPositive(); err != nil {
			return nil, fault.From(err).WithParam("amount")
		}
		if debit == credit || debit.Currency() != line.Amount.Currency || credit.Currency() != line.Amount.Currency ||
			bookOf(debit) != bookOf(credit) {
			return nil, fault.New(fault.Invalid, "ledger.bad_lines",
				"a line has two accounts of one book, in the currency of its amount").WithParam("lines")
		}
		lines = append(lines, ledger.Line{Reason: ReasonCorrection, Debit: debit, Credit: credit, Amount: line.Amount})
	}
	if len(lines) == 0 {
		return nil, fault.New(fault.Invalid, "ledger.bad_lines", "an entry has at least one line").WithParam("lines")
	}
	return lines, nil
}

func bookOf(account ledger.AccountID) ledger.Book {
	for _, line := range ledger.Chart() {
		if line.Code == account.Code() {
			return line.Book
		}
	}
	return ""
}
