package auth

import (
	"cmp"
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
		if err := a.parties.AddCustomer(tx, customer); err != nil {
			return err
		}
		return a.recordCustomer(ctx, tx, customer)
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
	Person   string // which human it is; the e-mail address where nobody says
	Password string
}

// CreateStaff stores a new person of the staff. Errors: auth.weak_password, auth.busy and those of
// party.CreateStaff.
func (a *Auth) CreateStaff(ctx context.Context, n NewStaff) (party.Staff, error) {
	hash, err := a.HashStaffPassword(ctx, n.Password)
	if err != nil {
		return party.Staff{}, err
	}
	return a.parties.CreateStaff(ctx, party.NewStaff{
		Email: n.Email, Name: n.Name, Role: n.Role, Person: n.Person, PasswordHash: hash,
	})
}

// HashStaffPassword is HashPassword for a person of the staff. Errors: auth.weak_password, auth.busy.
func (a *Auth) HashStaffPassword(ctx context.Context, password string) (string, error) {
	if err := checkStaffPassword(password); err != nil {
		return "", err
	}
	return a.HashPassword(ctx, password)
}

// SignInRequest is a customer's login. Address is the network address it comes from, "" for none.
type SignInRequest struct {
	Phone    string
	Password string
	Address  string
	Device   DeviceRequest
	// A device that is new, or does not prove itself, needs one of Code and TOTP.
	Code  CodeAnswer
	TOTP  string
	Proof DeviceProof
}

// DeviceRequest says on which device somebody signs in: one that the customer used before, by its id,
// or a new one with a name. Proves is the promise to prove itself from now on.
type DeviceRequest struct {
	ID     id.Device
	Name   string
	Proves bool
}

// SignedIn is a new session. Token is the secret that names it, shown this once. Device is empty for
// staff.
type SignedIn struct {
	Token   string
	Session Session
	Device  Device
	// RecoveryCodes come with the first right code of an app at the door of staff or merchants' users, shown this once.
	RecoveryCodes []string
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

// SignIn opens a session for a phone number and password, on a new device also a one-time code. Unknown numbers cost
// the time and get the answers of known ones.
//
// Errors: auth.bad_credentials, auth.login_locked (Limited, with RetryAfter), auth.too_many_sign_ins
// (Limited), auth.closed, auth.busy, auth.bad_device_name, party.bad_phone; with the right password auth.code_required,
// auth.code_*, auth.totp_*.
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
		second: a.secondOf(r, phone),
	})
}

func (a *Auth) secondOf(r SignInRequest, phone string) second {
	s := second{totp: r.TOTP, device: r.Proof}
	if r.Code.ID != "" {
		s.code = a.codeTry(r.Code, PurposeSignIn, phone, Intent{})
	}
	return s
}

// StaffSignInRequest is a login of a person of the staff or of a merchant.
type StaffSignInRequest struct {
	Email    string
	Password string
	Address  string
	// TOTP is the code of the authenticator app, or a recovery code.
	TOTP string
}

// SignInStaff opens a session for an e-mail address, a password and the code of an authenticator app. The first right
// code of a fresh app comes with recovery codes. Errors: as SignIn, party.bad_email; with the right password
// auth.totp_enrolment_required, auth.totp_required, auth.totp_wrong, auth.totp_locked.
func (a *Auth) SignInStaff(ctx context.Context, r StaffSignInRequest) (SignedIn, error) {
	c, err := a.staffClaim(ctx, r)
	if err != nil {
		return SignedIn{}, err
	}
	return a.signIn(ctx, c)
}

func (a *Auth) staffClaim(ctx context.Context, r StaffSignInRequest) (claim, error) {
	email, err := party.ParseEmail(r.Email)
	if err != nil {
		return claim{}, err
	}
	staff, err := a.parties.StaffByEmail(ctx, email)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return claim{}, err
	}
	return claim{
		login: email, name: email, password: r.Password, address: r.Address,
		subject: staffSubject(staff.ID), credential: staff.Credential, second: second{totp: r.TOTP},
	}, nil
}

// PasskeySignIn is a login by a passkey alone: it is two factors, so a new device needs no code.
type PasskeySignIn struct {
	Answer  PasskeyAnswer
	Address string
	Device  DeviceRequest
}

// SignInByPasskey opens a session for the customer whose passkey answered. Errors: auth.passkey_*,
// auth.too_many_sign_ins, auth.closed, auth.bad_device_name.
func (a *Auth) SignInByPasskey(ctx context.Context, r PasskeySignIn) (SignedIn, error) {
	in, whose, err := a.trySignInByPasskey(ctx, r)
	a.noteSignIn(ctx, whose, err)
	return in, err
}

func (a *Auth) trySignInByPasskey(ctx context.Context, r PasskeySignIn) (in SignedIn, whose subject, err error) {
	device, err := r.Device.checked()
	if err != nil {
		return in, whose, err
	}
	if ok, wait := a.byAddress.Allow(r.Address); !ok && r.Address != "" {
		return in, whose, fault.New(fault.Limited, "auth.too_many_sign_ins", "too many sign-ins from here").
			WithRetryAfter(wait)
	}
	t, refusal, err := a.passkeyTry(ctx, "", Intent{}, r.Answer)
	if err != nil || refusal != nil {
		return in, whose, cmp.Or(err, refusal)
	}
	customer, err := a.parties.Customer(ctx, t.customer)
	if err != nil {
		return in, whose, err
	}
	whose = customerSubject(customer.ID)
	in, err = a.openSession(ctx, entry{subject: whose, asked: device, phone: customer.Phone, passkey: t})
	return in, whose, err
}

// claim is a login before anything is proved; an empty subject id means that nobody has it.
type claim struct {
	login      string
	name       string // of the authenticator app's entry
	password   string
	address    string
	device     DeviceRequest
	subject    subject
	credential party.Credential
	second     second
}

func (a *Auth) signIn(ctx context.Context, c claim) (SignedIn, error) {
	in, err := a.trySignIn(ctx, c)
	a.noteSignIn(ctx, c.subject, err)
	return in, err
}

func (a *Auth) trySignIn(ctx context.Context, c claim) (SignedIn, error) {
	if err := a.limit(c); err != nil {
		return SignedIn{}, err
	}
	floor := time.NewTimer(refusalFloor)
	defer floor.Stop()
	proof, err := a.prove(ctx, c)
	if err != nil {
		return SignedIn{}, hold(ctx, floor, err)
	}
	signedIn, err := a.openSession(ctx, entry{
		subject: c.subject, asked: c.device, phone: c.login, proof: &proof, second: c.second,
	})
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
	return a.openSession(ctx, entry{subject: customerSubject(customer), asked: device})
}
