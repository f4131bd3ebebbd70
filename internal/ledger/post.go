package ledger

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// LinesMax is the largest number of lines of one entry.
const LinesMax = 200

// NewEntry returns an entry with a fresh id and seed. Call it before the decision.
func NewEntry(now time.Time, subject string, lines ...Line) Entry {
	e := Entry{ID: id.New[id.Entry](now), Subject: subject, Lines: lines}
	_, _ = rand.Read(e.Seed[:]) // never fails: it ends the program instead (crypto/rand)
	return e
}

// Post posts the entry: all its transfers or none. Its accounts must be declared (KeysOf).
//
// The guards, in order: the lines are well formed; both accounts of a line are of its currency and of one book;
// accounts are open; after all lines, no balance is beyond the limit and no protected account below its floor. Errors:
// ledger.bad_entry, ledger.account_closed, ledger.account_frozen, ledger.balance_too_large, ledger.insufficient_funds.
func (l *Ledger) Post(tx *commit.Tx, e Entry) error {
	p := posting{ledger: l, tx: tx, at: tx.Now(), entry: e}
	for _, line := range e.Lines {
		if line.Amount.Minor == 0 {
			continue
		}
		if err := p.add(line); err != nil {
			return fault.Wrap(err, "post "+string(e.ID))
		}
	}
	if len(p.lines) == 0 || len(p.lines) > LinesMax || strings.Contains(e.Subject, "\n") {
		return fault.New(fault.Internal, "ledger.bad_entry", "an entry has 1 to 200 lines and a subject without line breaks").
			WithCause(fmt.Errorf("entry %s has %d", e.ID, len(p.lines)))
	}
	return p.finish()
}

// posting is an entry while it is posted.
type posting struct {
	ledger   *Ledger
	tx       *commit.Tx
	at       time.Time
	entry    Entry
	lines    []Transfer
	accounts []AccountRow
}

// account returns the working copy of an account.
func (p *posting) account(name AccountID) (*AccountRow, error) {
	for i := range p.accounts {
		if p.accounts[i].ID == name {
			return &p.accounts[i], nil
		}
	}
	row, err := p.ledger.load(p.tx, name)
	if err != nil {
		return nil, err
	}
	if row.LastPostedAt.After(p.at) {
		p.at = row.LastPostedAt // another node's clock is ahead: postings of an account stay in order of time
	}
	p.accounts = append(p.accounts, row)
	return &p.accounts[len(p.accounts)-1], nil
}

func (p *posting) add(line Line) error {
	if err := p.ledger.checkLine(line); err != nil {
		return err
	}
	if _, err := p.account(line.Debit); err != nil {
		return err
	}
	credit, err := p.account(line.Credit)
	if err != nil {
		return err
	}
	debit, _ := p.account(line.Debit) // again: the slice may have moved
	if err := open(debit, credit); err != nil {
		return err
	}
	number := len(p.lines)
	name := string(p.entry.ID) + "." + strconv.Itoa(number)
	debit.DebitsPosted += line.Amount.Minor
	credit.CreditsPosted += line.Amount.Minor
	if debit.DebitsPosted < 0 || credit.CreditsPosted < 0 {
		return fault.New(
			fault.Conflict,
			"ledger.balance_too_large",
			"the sum of the account's postings is larger than the books allow",
		)
	}
	from, to := debit.path.extend(debit.Postings, name), credit.path.extend(credit.Postings, name)
	debit.Postings, debit.path = from.n, from.path
	credit.Postings, credit.path = to.n, to.path
	p.lines = append(p.lines, Transfer{
		ID:            name,
		Reason:        line.Reason,
		Subject:       p.entry.Subject,
		Debit:         line.Debit,
		Credit:        line.Credit,
		Amount:        line.Amount,
		DebitN:        from.n,
		DebitPrev:     from.prev,
		DebitJump:     from.jump,
		DebitBalance:  debit.Balance(p.ledger.chart[debit.Code].Side),
		CreditN:       to.n,
		CreditPrev:    to.prev,
		CreditJump:    to.jump,
		CreditBalance: credit.Balance(p.ledger.chart[credit.Code].Side),
		Salt:          saltOf(p.entry.Seed, number),
	})
	return nil
}

func (l *Ledger) checkLine(line Line) error {
	debit, err := l.line(line.Debit.Code())
	if err != nil {
		return err
	}
	credit, err := l.line(line.Credit.Code())
	if err != nil {
		return err
	}
	bad := fault.New(fault.Internal, "ledger.bad_entry", "the entry is not well formed")
	switch {
	case strings.Contains(string(line.Reason+Reason(line.Debit)+Reason(line.Credit)), "\n"):
		return bad.WithCause(errors.New("a line break: the log's record has one item a line"))
	case line.Reason == "":
		return bad.WithCause(fmt.Errorf("no reason: %s to %s", line.Debit, line.Credit))
	case line.Debit == line.Credit:
		return bad.WithCause(fmt.Errorf("%s on both sides", line.Debit))
	case debit.Book != credit.Book:
		return bad.WithCause(fmt.Errorf("%s and %s are in different books", line.Debit, line.Credit))
	case line.Debit.Currency() != line.Amount.Currency, line.Credit.Currency() != line.Amount.Currency:
		return bad.WithCause(fmt.Errorf("%s from %s to %s", line.Amount.Currency, line.Debit, line.Credit))
	case line.Amount.Minor < 0 || line.Amount.Minor > money.MaxMinor:
		return bad.WithCause(fmt.Errorf("amount %d", line.Amount.Minor))
	}
	return nil
}

// open refuses accounts that may not be posted to. A frozen account's owner can't spend from it.
func open(debit, credit *AccountRow) error {
	switch {
	case debit.State == Closed || credit.State == Closed:
		return fault.New(fault.Conflict, "ledger.account_closed", "the account is closed")
	case debit.State == Frozen:
		return fault.New(fault.Conflict, "ledger.account_frozen", "the account is frozen")
	}
	return nil
}

// finish checks the accounts after all lines, then writes lines, accounts and the leaf.
func (p *posting) finish() error {
	for i := range p.accounts {
		if err := p.accounts[i].check(p.ledger.chart[p.accounts[i].Code].Side); err != nil {
			return fault.Wrap(err, "post "+string(p.entry.ID)+" on "+string(p.accounts[i].ID))
		}
	}
	header := leafHeader{
		ID: p.entry.ID, Subject: p.entry.Subject, PostedAt: p.at, BusinessOn: clock.DateOf(p.at, p.ledger.zone),
	}
	hashes := make([][sha256.Size]byte, len(p.lines))
	for i := range p.lines {
		hash, err := lineHash(i, &p.lines[i])
		if err != nil {
			return fault.Wrap(err, "hash "+p.lines[i].ID)
		}
		hashes[i] = hash
	}
	p.lines[0].Leaf = int64(p.tx.AddLeaf(recordHash(leafText(header, hashes))))
	p.lines[0].Group = p.tx.Group()
	for _, line := range p.lines {
		line.PostedAt, line.BusinessOn = header.PostedAt, header.BusinessOn
		p.ledger.transfers.Append(p.tx, line)
	}
	for _, account := range p.accounts {
		account.LastPostedAt = p.at
		p.ledger.accounts.Put(p.tx, account)
	}
	return nil
}
