package auth

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
)

// Registration is what a new customer brings.
type Registration struct {
	Phone    string
	Name     string
	Password string
}

// NewCustomer checks a registration and hashes its password; nothing is stored yet. The caller stores
// it with party.AddCustomer in a decision of its own, or calls Register. Errors: party.bad_phone,
// party.bad_name, auth.weak_password, auth.busy.
func (a *Auth) NewCustomer(ctx context.Context, r Registration) (party.Customer, error) {
	customer, err := a.parties.NewCustomer(party.Registration{Phone: r.Phone, Name: r.Name})
	if err != nil {
		return party.Customer{}, err
	}
	customer.Credential.PasswordHash, err = a.HashPassword(ctx, r.Password)
	return customer, err
}

// Register stores a new customer. Errors: those of NewCustomer, party.phone_taken.
func (a *Auth) Register(ctx context.Context, r Registration) (party.Customer, error) {
	customer, err := a.NewCustomer(ctx, r)
	if err != nil {
		return party.Customer{}, err
	}
	err = a.committer.Do(ctx, a.parties.CustomerKeys(customer), func(tx *commit.Tx) error {
		return a.parties.AddCustomer(tx, customer)
	})
	if err != nil {
		return party.Customer{}, fault.Wrap(err, "register customer")
	}
	return customer, nil
}

// NewStaff is what a new person of the staff brings.
type NewStaff struct {
	Email    string
	Name     string
	Role     party.Role
	Password string
}

// CreateStaff stores a new person of the staff. Errors: auth.weak_password, auth.busy and those of
// party.CreateStaff.
func (a *Auth) CreateStaff(ctx context.Context, n NewStaff) (party.Staff, error) {
	if err := checkStaffPassword(n.Password); err != nil {
		return party.Staff{}, err
	}
	hash, err := a.HashPassword(ctx, n.Password)
	if err != nil {
		return party.Staff{}, err
	}
	return a.parties.CreateStaff(ctx, party.NewStaff{Email: n.Email, Name: n.Name, Role: n.Role, PasswordHash: hash})
}

// SignInRequest is a customer's login. Address is the network address it comes from, "" for none.
type SignInRequest struct {
	Phone    string
	Password string
	Address  string
	Device   DeviceRequest
}

// DeviceRequest says on which device somebody signs in: one that the customer used before, by its id,
// or a new one with a name.
type DeviceRequest struct {
	ID   id.Device
	Name string
}

// SignedIn is a new session. Token is the secret that names it, shown this once. Device is empty for
// staff.
type SignedIn struct {
	Token   string
	Session Session
	Device  Device
}

// refusalFloor is the least time that a refused sign-in takes, more than a hash and a commit on an idle machine:
// whether a login is known does not show in it.
const refusalFloor = 200 * time.Millisecond

// hold keeps a refusal back until the floor has passed.
func hold(ctx context.Context, floor *time.Timer, err error) error {
	if err == nil {
		return nil
	}
	select {
	case <-floor.C:
	case <-ctx.Done():
	}
	return err
}

// SignIn opens a session for a phone number and password. Unknown numbers cost the time and get the
// answers of known ones.
//
// Errors: auth.bad_credentials, auth.login_locked (Limited, with RetryAfter), auth.too_many_sign_ins
// (Limited), auth.closed, auth.busy, auth.bad_device_name, party.bad_phone.
func (a *Auth) SignIn(ctx context.Context, r SignInRequest) (SignedIn, error) {
	phone, err := party.ParsePhone(r.Phone)
	if err != nil {
		return SignedIn{}, err
	}
	device, err := r.Device.checked()
	if err != nil {
		return SignedIn{}, err
	}
	customer, err := a.parties.CustomerByPhone(ctx, phone)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return SignedIn{}, err
	}
	return a.signIn(ctx, claim{
		login: phone, password: r.Password, address: r.Address, device: device,
		subject: customerSubject(customer.ID), credential: customer.Credential,
	})
}

// StaffSignInRequest is a login of a person of the staff.
type StaffSignInRequest struct {
	Email    string
	Password string
	Address  string
}

// SignInStaff opens a session for an e-mail address and password. Errors: as SignIn, party.bad_email.
func (a *Auth) SignInStaff(ctx context.Context, r StaffSignInRequest) (SignedIn, error) {
	email, err := party.ParseEmail(r.Email)
	if err != nil {
		return SignedIn{}, err
	}
	staff, err := a.parties.StaffByEmail(ctx, email)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return SignedIn{}, err
	}
	return a.signIn(ctx, claim{
		login: email, password: r.Password, address: r.Address,
		subject: staffSubject(staff.ID), credential: staff.Credential,
	})
}

// claim is a login before anything is proved; an empty subject id means that nobody has it.
type claim struct {
	login      string
	password   string
	address    string
	device     DeviceRequest
	subject    subject
	credential party.Credential
}

func (a *Auth) signIn(ctx context.Context, c claim) (SignedIn, error) {
	if err := a.limit(c); err != nil {
		return SignedIn{}, err
	}
	floor := time.NewTimer(refusalFloor)
	defer floor.Stop()
	proof, err := a.prove(ctx, c)
	if err != nil {
		return SignedIn{}, hold(ctx, floor, err)
	}
	signedIn, err := a.openSession(ctx, c.subject, c.device, &proof)
	return signedIn, hold(ctx, floor, err)
}

// prove compares the password of a claim. A wrong one is a try too, which the decision counts; only a
// claim that nobody has ends here.
func (a *Auth) prove(ctx context.Context, c claim) (try, error) {
	now := a.clock.Now()
	wait := tries{lockedUntil: c.credential.LockedUntil}.wait(now)
	if c.subject.id == "" {
		wait = a.strangers.wait(c.login, now)
	}
	if wait > 0 {
		return try{}, loginLocked(wait)
	}
	right, err := a.compare(ctx, c.password, c.credential.PasswordHash)
	if err != nil {
		return try{}, err
	}
	if c.subject.id == "" {
		return try{}, a.strangers.miss(c.login, a.clock.Now())
	}
	return try{hash: c.credential.PasswordHash, right: right}, nil
}

// limit refuses a login that is tried too often, or an address that tries too often.
func (a *Auth) limit(c claim) error {
	refuse := func(limiter *Limiter, key string) error {
		allowed, wait := limiter.Allow(key)
		if allowed {
			return nil
		}
		return fault.Newf(fault.Limited, "auth.too_many_sign_ins",
			"too many sign-ins; try again in %s", inWords(wait)).WithRetryAfter(wait)
	}
	if c.address != "" {
		if err := refuse(a.byAddress, c.address); err != nil {
			return err
		}
	}
	return refuse(a.byLogin, c.login)
}

// StartSession opens a session for a customer who has proved who they are in another way: right after
// the registration, or in a tool of the operator. Errors: auth.bad_credentials (no such customer),
// auth.closed, auth.bad_device_name.
func (a *Auth) StartSession(ctx context.Context, customer id.Customer, r DeviceRequest) (SignedIn, error) {
	device, err := r.checked()
	if err != nil {
		return SignedIn{}, err
	}
	return a.openSession(ctx, customerSubject(customer), device, nil)
}
