package party

import (
	"context"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// Registration is what a new customer brings. PasswordHash comes from package auth.
type Registration struct {
	Phone        string
	Name         string
	PasswordHash string
}

// MaskedCustomer is a customer as others see them.
type MaskedCustomer struct {
	ID    id.Customer `json:"id"`
	Phone string      `json:"phone"`
	Name  string      `json:"name"`
}

// Masked returns what others may see of the customer.
func (c Customer) Masked() MaskedCustomer {
	return MaskedCustomer{ID: c.ID, Phone: MaskPhone(c.Phone), Name: MaskName(c.Name)}
}

// NewCustomer checks a registration and gives the customer an id; nothing is stored yet. Errors:
// party.bad_phone, party.bad_name.
func (p *Parties) NewCustomer(r Registration) (Customer, error) {
	phone, err := ParsePhone(r.Phone)
	if err != nil {
		return Customer{}, err
	}
	name, err := ParseName(r.Name)
	if err != nil {
		return Customer{}, err
	}
	now := p.clock.Now()
	return Customer{
		ID: id.New[id.Customer](now), Phone: phone, Name: name, State: StateActive, CreatedAt: now,
		Credential: Credential{PasswordHash: r.PasswordHash},
	}, nil
}

// CustomerKeys names the rows that AddCustomer reads.
func (p *Parties) CustomerKeys(c Customer) []commit.Key {
	return []commit.Key{p.CustomerTable.Key(string(c.ID)), p.CustomerTable.KeyBy("phone", c.Phone)}
}

// AddCustomer stores a new customer as part of a decision that declared CustomerKeys. Errors:
// party.phone_taken (Conflict).
func (p *Parties) AddCustomer(tx *commit.Tx, c Customer) error {
	_, taken, err := p.CustomerTable.Get(tx, p.CustomerTable.KeyBy("phone", c.Phone))
	if err != nil {
		return err
	}
	if taken {
		return fault.New(fault.Conflict, "party.phone_taken", "this phone number is registered already").
			WithParam("phone").WithHint("sign in with it instead")
	}
	p.CustomerTable.Put(tx, c)
	return nil
}

// RegisterCustomer stores a new customer. Errors: those of NewCustomer and AddCustomer.
func (p *Parties) RegisterCustomer(ctx context.Context, r Registration) (Customer, error) {
	customer, err := p.NewCustomer(r)
	if err != nil {
		return Customer{}, err
	}
	err = p.committer.Do(ctx, p.CustomerKeys(customer), func(tx *commit.Tx) error {
		return p.AddCustomer(tx, customer)
	})
	if err != nil {
		return Customer{}, fault.Wrap(err, "register customer")
	}
	return customer, nil
}

// CustomerKey names the row that MoveCustomer and RequireActive read.
func (p *Parties) CustomerKey(name id.Customer) commit.Key { return p.CustomerTable.Key(string(name)) }

// MoveCustomer freezes, thaws or closes a customer as part of a decision that declared CustomerKey. The customer's
// accounts change in the same decision: see wallet.SetState. Errors: party.customer_not_found, party.bad_state,
// party.state_conflict, party.not_frozen (only a frozen one is closed).
func (p *Parties) MoveCustomer(ctx context.Context, tx *commit.Tx, name id.Customer, to State) error {
	customer, found, err := p.CustomerTable.Get(tx, p.CustomerKey(name))
	if err != nil {
		return err
	}
	if !found {
		return customerNotFound()
	}
	if err := move(customer.State, to); err != nil || customer.State == to {
		return err
	}
	if to == StateClosed && customer.State == StateActive {
		// From active, a top-up could begin between the look for money under way and this decision.
		return fault.New(fault.Conflict, "party.not_frozen", "only a frozen wallet can be closed").WithParam("state").
			WithHint("freeze the wallet first")
	}
	before := stateOf{State: customer.State}
	customer.State = to
	p.CustomerTable.Put(tx, customer)
	tx.After(func() { p.payees.Forget(name) })
	return p.Trail.Add(ctx, tx, audit.Act{
		Kind: "customer.state_set", Subject: string(name), Before: before, After: stateOf{State: to},
	})
}

// RequireActive refuses, in a decision that declared CustomerKey, what only an active customer may do. Errors:
// party.customer_not_found, party.customer_not_active.
func (p *Parties) RequireActive(tx *commit.Tx, name id.Customer) error {
	customer, found, err := p.CustomerTable.Get(tx, p.CustomerKey(name))
	if err != nil {
		return err
	}
	if !found {
		return customerNotFound()
	}
	if customer.State != StateActive {
		return fault.New(fault.Forbidden, "party.customer_not_active", "this wallet is frozen or closed").
			WithHint("ask the operator's support")
	}
	return nil
}

// Customer returns one customer. Errors: party.customer_not_found.
func (p *Parties) Customer(ctx context.Context, name id.Customer) (Customer, error) {
	return p.customerBy(ctx, customerByID, string(name))
}

// PayeeByID returns one customer as it was at most a minute ago, for those who only want to know
// whom they pay. Errors: party.customer_not_found.
func (p *Parties) PayeeByID(ctx context.Context, name id.Customer) (Customer, error) {
	return p.payees.Get(name, func() (Customer, error) { return p.Customer(ctx, name) })
}

// CustomerByPhone returns the customer who registered a phone number, in any form that ParsePhone
// reads. Errors: party.bad_phone, party.customer_not_found.
func (p *Parties) CustomerByPhone(ctx context.Context, phone string) (Customer, error) {
	e164, err := ParsePhone(phone)
	if err != nil {
		return Customer{}, err
	}
	return p.customerBy(ctx, customerByPhone, e164)
}

func customerNotFound() error {
	return fault.New(fault.NotFound, "party.customer_not_found", "there is no such customer")
}
