package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"math/big"

	"golang.org/x/mod/sumdb/note"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Report is what Verify found. Every failure names the exact thing.
type Report struct {
	Transfers int64 `json:"transfers"`
	Entries   int64 `json:"entries"`
	Accounts  int64 `json:"accounts"`
	// Leaves have their place in the log; Unsequenced entries wait for theirs.
	Leaves      int64 `json:"leaves"`
	Unsequenced int64 `json:"unsequenced"`
	Checkpoints int64 `json:"checkpoints"`
	// SignaturesChecked says that keys were given and each checkpoint's signature was checked.
	SignaturesChecked bool      `json:"signatures_checked"`
	Totals            []Total   `json:"totals"`
	Failures          []Failure `json:"failures"`
	// FailuresMore counts what was found beyond the first 1000.
	FailuresMore int64 `json:"failures_more"`
}

// OK reports whether nothing was found.
func (r *Report) OK() bool { return len(r.Failures) == 0 }

// Failure is one thing that is not as it must be.
type Failure struct {
	// Check names the invariant: entry, leaf, chain, sums, pending, floor, account, currency, book, mirror,
	// log, checkpoint.
	Check string `json:"check"`
	// Subject is the exact account, entry, transfer, group, chunk, checkpoint or currency.
	Subject string `json:"subject"`
	Message string `json:"message"`
}

// Total sums the accounts of one currency, in minor units. ClientAssets equal ClientClaims (what we hold
// equals what we owe, with what is in transit), and Mirror (1901 + 1902) is zero.
type Total struct {
	Currency      money.Currency `json:"currency"`
	Accounts      int64          `json:"accounts"`
	DebitsPosted  *big.Int       `json:"debits_posted"`
	CreditsPosted *big.Int       `json:"credits_posted"`
	ClientAssets  *big.Int       `json:"client_assets"`
	ClientClaims  *big.Int       `json:"client_claims"`
	Mirror        *big.Int       `json:"mirror"`
}

// VerifyOptions are the knobs of Verify.
type VerifyOptions struct {
	// TrustedKeys are the log's verifier keys, past ones included; without any, signatures are not checked.
	TrustedKeys []string
	// Progress, if set, is called now and then with the number of transfers read and to read.
	Progress func(done, total int64)
}

const (
	failuresMax = 1000
	verifyPage  = 2000
)

// Verify checks the books and their log against every invariant, on one snapshot of the database:
//
//   - each entry is whole, its lines are of one currency and one book, and it is what the log holds;
//   - each account's postings are numbered without a gap, carry the right balances and pointers, and
//     sum up to the account's row; its pending sums are those of its open holds; it is not below its floor;
//   - debits equal credits in each book and currency, clients' money equals claims on it, the mirror is zero;
//   - the log is the leaves of all commits, its stored hashes are right, and each checkpoint is true and signed.
//
// It reads the transfers once, in the order of their ids; memory grows with the number of accounts,
// not of transfers. The error is for what kept it from reading; what it finds is in the report.
//
// Errors: ledger.bad_trusted_key.
func Verify(ctx context.Context, db *sqldb.DB, options VerifyOptions) (Report, error) {
	v := newVerification(options)
	for _, text := range options.TrustedKeys {
		key, err := trusted(text)
		if err != nil {
			return Report{}, err
		}
		v.keys = append(v.keys, key)
	}
	// PostgreSQL gives a snapshot for REPEATABLE READ; SQLite gives one to every reader.
	tx, err := db.Read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return Report{}, fault.Wrap(db.Fault(err), "verify: begin")
	}
	defer tx.Rollback()
	v.q = tx
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"transfers", v.transfers},
		{"holds", v.holds},
		{"accounts", v.accountRows},
		{"log", v.log},
	} {
		if err := part.run(ctx); err != nil {
			return v.report, fault.Wrap(db.Fault(err), "verify "+part.name)
		}
	}
	v.report.SignaturesChecked = len(v.keys) > 0
	return v.report, nil
}

// verification is a Verify under way.
type verification struct {
	q        querier
	keys     []note.Verifier
	progress func(done, total int64)
	report   Report
	chart    map[Code]ChartLine
	accounts map[AccountID]*chain
	totals   map[money.Currency]*Total
	books    map[money.Currency]map[Book]*big.Int // debits less credits
	entry    []Transfer                           // lines of the entry that the walk is in
	leaves   []claimedLeaf
}

func newVerification(options VerifyOptions) *verification {
	v := &verification{
		progress: options.Progress,
		chart:    make(map[Code]ChartLine), accounts: map[AccountID]*chain{},
		totals: map[money.Currency]*Total{}, books: map[money.Currency]map[Book]*big.Int{},
		report: Report{Totals: []Total{}, Failures: []Failure{}},
	}
	if v.progress == nil {
		v.progress = func(int64, int64) {}
	}
	for _, line := range Chart() {
		v.chart[line.Code] = line
	}
	return v
}

func (v *verification) fail(check, subject, format string, args ...any) {
	if len(v.report.Failures) >= failuresMax {
		v.report.FailuresMore++
		return
	}
	v.report.Failures = append(v.report.Failures, Failure{
		Check: check, Subject: subject, Message: fmt.Sprintf(format, args...),
	})
}

// transfers walks all transfers by id, so entry by entry.
func (v *verification) transfers(ctx context.Context) error {
	var total int64
	if err := v.q.QueryRowContext(ctx, "SELECT count(*) FROM transfers").Scan(&total); err != nil {
		return err
	}
	for after := ""; ; {
		page, err := readTransfers(ctx, v.q, after, "\x7f", verifyPage)
		if err != nil {
			return err
		}
		for i := range page {
			v.transfer(&page[i])
		}
		if len(page) < verifyPage {
			v.endEntry()
		}
		if err := v.compareLeaves(ctx); err != nil {
			return err
		}
		v.progress(v.report.Transfers, total)
		if len(page) < verifyPage {
			return v.countLeaves(ctx)
		}
		after = page[len(page)-1].ID
	}
}

func (v *verification) transfer(t *Transfer) {
	v.report.Transfers++
	if len(v.entry) > 0 && entryOf(v.entry[0].ID) != entryOf(t.ID) {
		v.endEntry()
	}
	v.entry = append(v.entry, *t)
	debit, credit := v.chart[t.Debit.Code()], v.chart[t.Credit.Code()]
	switch {
	case debit.Code == "" || credit.Code == "":
		v.fail("entry", t.ID, "the chart of accounts lacks the code of %s or %s", t.Debit, t.Credit)
	case debit.Book != credit.Book:
		v.fail("entry", t.ID, "%s and %s are in different books, so neither balances", t.Debit, t.Credit)
	}
	for _, account := range []AccountID{t.Debit, t.Credit} {
		if account.Currency() != t.Amount.Currency {
			v.fail("currency", t.ID, "the transfer is in %s, its account is %s", t.Amount.Currency, account)
		}
	}
	v.post(t.Debit, Debit, link{
		transfer: t.ID, at: t.PostedAt, amount: t.Amount.Minor,
		n: t.DebitN, balance: t.DebitBalance, prev: t.DebitPrev, jump: t.DebitJump,
	})
	v.post(t.Credit, Credit, link{
		transfer: t.ID, at: t.PostedAt, amount: t.Amount.Minor,
		n: t.CreditN, balance: t.CreditBalance, prev: t.CreditPrev, jump: t.CreditJump,
	})
}
