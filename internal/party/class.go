package party

import (
	"context"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// ClassMax is the highest payment account class.
const ClassMax Class = 3

// SetClass gives a customer a payment account class, up or down, in a decision that declared CustomerKey. What is
// decided later is limited by the new class. A class that the customer has already writes nothing. Errors:
// party.customer_not_found, party.bad_class.
func (p *Parties) SetClass(tx *commit.Tx, name id.Customer, class Class) error {
	if class < 0 || class > ClassMax {
		return fault.Newf(fault.Invalid, "party.bad_class", "a payment account class is 0 to %d", ClassMax).
			WithParam("account_class")
	}
	customer, found, err := p.CustomerTable.Get(tx, p.CustomerKey(name))
	if err != nil {
		return err
	}
	if !found {
		return customerNotFound()
	}
	if customer.Class == class {
		return nil
	}
	customer.Class = class
	p.CustomerTable.Put(tx, customer)
	tx.After(func() { p.payees.Forget(name) })
	return nil
}

// ChangeClass is SetClass as a decision of its own.
func (p *Parties) ChangeClass(ctx context.Context, name id.Customer, class Class) error {
	err := p.committer.Do(ctx, []commit.Key{p.CustomerKey(name)}, func(tx *commit.Tx) error {
		return p.SetClass(tx, name, class)
	})
	return fault.Wrap(err, "change the class of "+string(name))
}
