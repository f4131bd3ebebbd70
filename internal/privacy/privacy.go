// Package privacy answers the rights of the people whose data is held: to have all of it (export.go), and to be
// forgotten as far as the law lets (erase.go).
//
// Whose data it is says a Subject of one Kind (subject.go). What is held about a kind is a table of queries, Sections,
// and what is erased when is a table of statements (step.go): a domain that keeps something new about people adds a
// line, or a line of Omitted that says why not, and a test finds columns that nobody thought of.
package privacy

import (
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/identity"
	"github.com/feiqian/feiqian/internal/onboarding"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Parts are what Privacy is built on.
type Parts struct {
	DB      *sqldb.DB
	Clock   *clock.Clock
	Parties *party.Parties
	Trail   *audit.Trail
	// Identity opens documents; Cards ends the bindings of who wants to be forgotten.
	Identity *identity.Identities
	Cards    *card.Cards
	// Onboarding opens applications.
	Onboarding *onboarding.Onboarding
	// Payments opens evidence in disputes.
	Payments *payment.Payments
	// Jurisdiction is cn, eu or plain; see Retentions.
	Jurisdiction string
}

// Privacy exports and erases.
type Privacy struct {
	Parts
}

// New returns the service.
func New(parts Parts) *Privacy { return &Privacy{Parts: parts} }

// Retention is how long a customer's data must be kept after the relationship and the last transaction ended.
type Retention struct {
	Jurisdiction string
	Years        int
	// Source is the rule, Since when it applies.
	Source string
	Since  clock.Date
}

// Retentions is the table of retention by jurisdiction.
func Retentions() []Retention {
	return []Retention{
		{"cn", 10, "Anti-Money-Laundering Law (2024 revision) art. 34", "2025-01-01"},
		{"eu", 5, "Directive (EU) 2015/849 art. 40", "2017-06-26"},
		{"plain", 10, "the longest of the others", "2025-01-01"},
	}
}

// retention returns the jurisdiction's line; an unknown one keeps as long as the longest.
func retention(jurisdiction string) Retention {
	all := Retentions()
	for _, r := range all {
		if r.Jurisdiction == jurisdiction {
			return r
		}
	}
	return all[len(all)-1]
}

func (r Retention) until(from time.Time) time.Time { return from.AddDate(r.Years, 0, 0) }
