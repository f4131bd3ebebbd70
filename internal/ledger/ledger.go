// Package ledger keeps the books: accounts of two balanced books, immutable entries, holds,
// statements, and an append-only log that proves them.
//
// A Transfer moves one amount from a debit account to a credit account; an Entry is the transfers of one business
// reason, posted together or not at all. Entries are posted inside a decision of the group committer: declare Keys of
// the entry's accounts, then Post. A posting is a transfer seen from one of its accounts; it is stored as part of the
// transfer and found by pointers (see path.go), so that no index grows with history.
//
// The tour: chart.go has the codes, account.go the account row, post.go how an entry is posted,
// hold.go reservations, flows.go the entries of every business event, statement.go reads.
package ledger

import (
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Ledger posts to and reads the books.
type Ledger struct {
	committer *commit.Committer
	db        *sqldb.DB
	zone      *time.Location
	chart     map[Code]ChartLine
	accounts  *commit.Table[AccountRow]
	transfers *commit.Table[Transfer]
	holds     *commit.Table[Hold]
}

// New returns the ledger on db and registers its tables. Business dates are days in zone.
func New(c *commit.Committer, db *sqldb.DB, zone *time.Location) *Ledger {
	l := &Ledger{
		committer: c, db: db, zone: zone, chart: make(map[Code]ChartLine),
		holds: holdsTable(c), accounts: accountsTable(c), transfers: transfersTable(c),
	}
	for _, line := range Chart() {
		l.chart[line.Code] = line
	}
	return l
}

// Reason says why a transfer was posted.
type Reason string

// Line asks for one transfer: Amount from the debit to the credit account.
type Line struct {
	Reason Reason
	Debit  AccountID
	Credit AccountID
	Amount money.Amount
}

// Entry asks for transfers that are posted together. Lines of amount zero are left out. ID and Seed
// are made before the decision (see NewEntry).
type Entry struct {
	ID id.Entry
	// Seed is random: it salts the lines' hashes, so that a receipt can show one line and keep the others to itself.
	Seed [32]byte
	// Subject names what the entry is about: a payment, a payout.
	Subject string
	Lines   []Line
}

// Transfer is a posted transfer, one line of an entry. Its id is the entry's, a dot, and the line's number.
//
// N is the number of the posting on that account, from 1; Balance the account's balance after it, on
// the account's normal side; Prev and Jump lead to earlier postings of the account (see path.go).
type Transfer struct {
	ID            string
	Reason        Reason
	Subject       string
	Debit         AccountID
	Credit        AccountID
	Amount        money.Amount
	DebitN        int64
	DebitBalance  int64
	DebitPrev     string
	DebitJump     string
	CreditN       int64
	CreditBalance int64
	CreditPrev    string
	CreditJump    string
	PostedAt      time.Time
	BusinessOn    clock.Date
	Salt          string
	// Group and Leaf say where the entry's leaf stands; they are set on line 0.
	Group id.Group
	Leaf  int64
}
