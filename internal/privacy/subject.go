package privacy

import (
	"context"
	"database/sql"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/onboarding"
	"github.com/feiqian/feiqian/internal/party"
)

// Kind says whose data it is; records of the audit trail about them begin with it.
type Kind string

// The kinds of subjects.
const (
	KindCustomer Kind = "customer"
	// KindUser is a person who works for a merchant.
	KindUser Kind = "user"
	// KindApplication is a merchant's application with the people in it: contact, legal representative, beneficial owners.
	KindApplication Kind = "application"
)

// Subject is whose data is exported or erased.
type Subject struct {
	Kind Kind
	ID   string
	// Person limits an export of an application to what it says of the person of this name; "" for all.
	Person string
}

// OfCustomer names a customer.
func OfCustomer(name id.Customer) Subject { return Subject{Kind: KindCustomer, ID: string(name)} }

// OfUser names a merchant's user.
func OfUser(name id.MerchantUser) Subject { return Subject{Kind: KindUser, ID: string(name)} }

// OfApplication names a merchant's application.
func OfApplication(name id.Application) Subject {
	return Subject{Kind: KindApplication, ID: string(name)}
}

// policy is what is held about a kind of subject, what is erased when, and why the rest is kept. The first of atOnce
// locks the subject's row.
type policy struct {
	sections       []Section
	atOnce, atLast []step
	kept           func(Retention) []Kept
	// remains is how many of kept are there for good.
	remains int
	// exists refuses who is not there.
	exists func(ctx context.Context, p *Privacy, name string) error
	// ended returns the end of the relationship and of the last transaction; the zero time where there was none, and
	// nothing must be kept. It refuses while the relationship lasts.
	ended func(ctx context.Context, tx *sql.Tx, name string, now time.Time) (time.Time, error)
}

func policyOf(kind Kind) policy {
	switch kind {
	case KindUser:
		return policy{
			sections: userSections(), atOnce: userAtOnce(), atLast: userAtLast(), kept: userKept, remains: 1,
			exists: func(ctx context.Context, p *Privacy, name string) error {
				_, err := p.Parties.UserByID(ctx, id.MerchantUser(name))
				return err
			},
			ended: userEnded,
		}
	case KindApplication:
		return policy{
			sections: applicationSections(), atOnce: applicationAtOnce(), atLast: applicationAtLast(),
			kept: applicationKept, remains: 1,
			exists: func(ctx context.Context, p *Privacy, name string) error {
				_, err := p.Onboarding.Application(ctx, id.Application(name))
				return err
			},
			ended: applicationEnded,
		}
	case KindCustomer:
	}
	return policy{
		sections: customerSections(), atOnce: customerAtOnce(), atLast: customerAtLast(), kept: customerKept, remains: 2,
		exists: func(ctx context.Context, p *Privacy, name string) error {
			_, err := p.Parties.Customer(ctx, id.Customer(name))
			return err
		},
		ended: customerEnded,
	}
}

// customerEnded wants a closed wallet. One that was closed before there was an audit trail counts as closed now.
func customerEnded(ctx context.Context, tx *sql.Tx, name string, now time.Time) (time.Time, error) {
	var state party.State
	var closed, posted int64
	err := tx.QueryRowContext(ctx, `SELECT state,
		COALESCE((SELECT max(at) FROM audit_records WHERE kind = 'customer.state_set' AND subject = $1), $2),
		COALESCE((SELECT max(last_posted_at) FROM accounts WHERE owner = $1), 0)
		FROM customers WHERE id = $1`, name, clock.Micros(now)).Scan(&state, &closed, &posted)
	if err == nil && state != party.StateClosed {
		err = notClosed("only a closed customer can be erased", "pay the balance out and close the wallet first")
	}
	return clock.FromMicros(max(closed, posted)), err
}

// userEnded wants a user, or the user's merchant, closed. Who never came in has acted in nothing.
func userEnded(ctx context.Context, tx *sql.Tx, name string, now time.Time) (time.Time, error) {
	var user, merchant party.State
	var cameIn bool
	var closed, acted int64
	err := tx.QueryRowContext(ctx, `SELECT u.state, m.state, EXISTS (SELECT 1 FROM sessions WHERE subject_id = $1),
		COALESCE((SELECT max(at) FROM audit_records WHERE kind = 'user.changed' AND subject = $1), $2),
		COALESCE((SELECT max(at) FROM audit_records WHERE actor = $1), 0)
		FROM merchant_users u JOIN merchants m ON m.id = u.merchant_id WHERE u.id = $1`, name, clock.Micros(now)).
		Scan(&user, &merchant, &cameIn, &closed, &acted)
	switch {
	case err != nil:
	case user != party.StateClosed && merchant != party.StateClosed:
		err = notClosed("only a closed user can be erased", "ask an owner of the merchant to close the user")
	case !cameIn && acted == 0:
		return time.Time{}, nil
	case user != party.StateClosed:
		closed = clock.Micros(now)
	}
	return clock.FromMicros(max(closed, acted)), err
}

// applicationEnded wants an application that is with nobody for review; an approved one lives as long as its merchant.
func applicationEnded(ctx context.Context, tx *sql.Tx, name string, now time.Time) (time.Time, error) {
	var state onboarding.State
	var merchant party.State
	var closed, posted int64
	err := tx.QueryRowContext(ctx, `SELECT a.state, COALESCE(m.state, ''),
		COALESCE((SELECT max(at) FROM audit_records WHERE kind = 'merchant.state_set' AND subject = a.merchant_id), $2),
		COALESCE((SELECT max(last_posted_at) FROM accounts WHERE owner = a.merchant_id), 0)
		FROM merchant_applications a LEFT JOIN merchants m ON m.id = a.merchant_id WHERE a.id = $1`,
		name, clock.Micros(now)).Scan(&state, &merchant, &closed, &posted)
	switch {
	case err != nil:
	case state == onboarding.Submitted:
		err = notClosed("this application is being reviewed", "decide it first")
	case state != onboarding.Approved:
		return time.Time{}, nil
	case merchant != party.StateClosed:
		err = notClosed("this application has made a merchant, which is not closed", "close the merchant first")
	}
	return clock.FromMicros(max(closed, posted)), err
}

func notClosed(message, hint string) error {
	return fault.New(fault.Conflict, "privacy.not_closed", message).WithHint(hint)
}
