package party

import (
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// classMax is the highest payment account class, III.
const classMax = 3

// SetClass sets a customer's payment account class, 0 to 3, as part of a decision that declared CustomerKey. Errors:
// party.customer_not_found, party.bad_class.
func (p *Parties) SetClass(tx *commit.Tx, customer id.Customer, class Class) error {
	if class < 0 || class > classMax {
		return fault.New(fault.Invalid, "party.bad_class", "a payment account class is 0 to 3")
	}
	row, found, err := p.CustomerTable.Get(tx, p.CustomerKey(customer))
	if err != nil {
		return err
	}
	if !found {
		return customerNotFound()
	}
	if row.Class == class {
		return nil
	}
	row.Class = class
	p.CustomerTable.Put(tx, row)
	tx.After(func() { p.payees.Forget(customer) })
	return nil
}
