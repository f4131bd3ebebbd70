package api

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

// The door of the people who work for merchants: /merchant/v1. Every function takes the merchant, and where the person
// is of one store that store, from the session and never from the request.

func (s *Services) portalEndpoints() []Endpoint {
	route := func(permission auth.Permission, method, path, name, summary string) Route {
		return Route{
			Method: method, Path: "/merchant/v1" + path, Actor: ActorUser, Permission: string(permission),
			Tag: "Merchant portal", Name: name, Summary: summary,
		}
	}
	created := func(r Route) Route { r.Status = 201; return r }
	public := func(r Route) Route { r.Actor, r.Permission = ActorPublic, ""; return r }
	return []Endpoint{
		Handle(created(public(route("", post, "/login", "user_login", "Sign in as a merchant's user"))), s.userLogin),
		Handle(created(public(route("", post, "/totp", "user_totp",
			"Get a secret for an authenticator app, before a sign-in"))), s.userTOTP),
		Handle(
			public(route("", post, "/invitations/accept", "accept_invitation", "Set the first password")),
			s.acceptInvitation,
		),
		Handle(route(AnyPermission, post, "/logout", "user_logout", "Sign out"), s.logout),
		Handle(route(AnyPermission, get, "/me", "get_user", "Who is signed in"), s.userMe),
		Handle(route(AnyPermission, put, "/password", "change_user_password",
			"Change the login password; other sessions end"), s.changeUserPassword),
		Handle(route(auth.UserReadPeople, get, "/users", "list_users", "List the merchant's users"), s.listUsers),
		Handle(created(route(auth.UserWritePeople, post, "/users", "invite_user", "Invite a user")), s.inviteUser),
		Handle(route(auth.UserWritePeople, put, "/users/{id}", "change_user", "Change role, store or state of a user"),
			s.changeUser),
		Handle(route(auth.UserWritePeople, post, "/users/{id}/totp_reset", "reset_user_totp",
			"Take a user's lost authenticator app away; the user's sessions end"), s.resetUserTOTP),
		Handle(route(auth.UserReadSales, get, "/stores", "list_stores", "List stores"), s.listStores),
		Handle(created(route(auth.UserWriteStores, post, "/stores", "create_store", "Open a store")), s.createStore),
		Handle(route(auth.UserReadSales, get, "/stores/{id}", "get_store", "Read a store"), s.getStore),
		Handle(route(auth.UserWriteStores, put, "/stores/{id}/state", "set_store_state",
			"Freeze, thaw or close a store"), s.setStoreState),
		Handle(
			route(auth.UserReadKeys, get, "/keys", "list_own_keys", "List the merchant's secret keys, masked"),
			s.listOwnKeys,
		),
		Handle(created(route(auth.UserWriteKeys, post, "/keys", "create_own_key", "Make a secret key")), s.createOwnKey),
		Handle(route(auth.UserWriteKeys, del, "/keys/{key}", "revoke_own_key", "Revoke a secret key"), s.revokeOwnKey),
		Handle(route(auth.UserReadKeys, get, "/checkout_origins", "get_portal_checkout_origins",
			"Read which sites may show the checkout page within theirs"), s.checkoutOrigins),
		Handle(route(auth.UserWriteKeys, put, "/checkout_origins", "set_portal_checkout_origins",
			"Say which sites may show the checkout page within theirs"), s.setCheckoutOrigins),
		Handle(
			route(auth.UserReadSales, get, "/payments", "list_sales", "List payments, of the own store only"),
			s.listSales,
		),
		Handle(route(auth.UserReadSales, get, "/payments/{id}", "get_sale", "Read a payment"), s.getSale),
		Handle(
			route(auth.UserReadMoney, get, "/balance", "get_portal_balance", "Read the merchant's balance"),
			s.portalBalance,
		),
		Handle(route(auth.UserReadMoney, get, "/sub_merchants", "list_sub_merchants",
			"List the merchants that this one brought"), s.listSubMerchants),
	}
}

type userLoginRequest struct {
	Body staffLoginBody
}

// UserSession is a fresh session of a merchant's user; the token is shown this once.
type UserSession struct {
	Token     string             `json:"token"`
	ExpiresAt time.Time          `json:"expires_at"`
	User      id.MerchantUser    `json:"user_id"`
	Merchant  id.Merchant        `json:"merchant_id"`
	Store     id.Store           `json:"store_id,omitempty"`
	Role      party.MerchantRole `json:"role"`
	// RecoveryCodes come with the first sign-in by an app.
	RecoveryCodes []string `json:"recovery_codes,omitempty" doc:"With the first sign-in by an app; each stands in for it once. Shown this once."`
}

func (s *Services) userLogin(ctx context.Context, req *userLoginRequest) (*UserSession, error) {
	noteLogin(ctx, "merchant:"+req.Body.Email)
	in, err := s.Auth.SignInUser(ctx, auth.StaffSignInRequest{
		Email: req.Body.Email, Password: req.Body.Password, Address: AddressOf(ctx), TOTP: req.Body.TOTP,
	})
	if err != nil {
		return nil, err
	}
	noteSignedIn(ctx, in.Session.SubjectID)
	return &UserSession{
		Token: in.Token, ExpiresAt: in.Session.ExpiresAt, User: in.Session.User(), Merchant: in.Session.Merchant,
		Store: in.Session.Store, Role: party.MerchantRole(in.Session.Role), RecoveryCodes: in.RecoveryCodes,
	}, nil
}

func (s *Services) userTOTP(ctx context.Context, req *staffTOTPRequest) (*auth.Enrolment, error) {
	noteLogin(ctx, "merchant:"+req.Body.Email)
	enrolment, err := s.Auth.BeginUserTOTP(ctx, auth.StaffSignInRequest{
		Email: req.Body.Email, Password: req.Body.Password, Address: AddressOf(ctx),
	})
	return &enrolment, err
}

type acceptInvitationBody struct {
	Token    string `json:"token" minLength:"10" maxLength:"100"`
	Password string `json:"password" minLength:"12" maxLength:"128"`
}

type acceptInvitationRequest struct {
	Body acceptInvitationBody
}

func (s *Services) acceptInvitation(ctx context.Context, req *acceptInvitationRequest) (*NoContent, error) {
	if err := s.Limits.mayRegister(AddressOf(ctx)); err != nil {
		return nil, err
	}
	return &NoContent{}, s.Auth.AcceptInvitation(ctx, req.Body.Token, req.Body.Password)
}

func (s *Services) userMe(ctx context.Context, _ *empty) (*party.MerchantUser, error) {
	caller := CallerOf(ctx)
	user, err := s.Parties.User(ctx, caller.Merchant, caller.User)
	return &user, err
}

type changeUserPasswordBody struct {
	Old string `json:"old_password" minLength:"1" maxLength:"128"`
	New string `json:"new_password" minLength:"12" maxLength:"128"`
}

type changeUserPasswordRequest struct {
	Body changeUserPasswordBody
}

func (s *Services) changeUserPassword(ctx context.Context, req *changeUserPasswordRequest) (*NoContent, error) {
	return &NoContent{}, s.Auth.ChangePassword(ctx, auth.PasswordChange{
		Session: sessionOf(CallerOf(ctx)), Old: req.Body.Old, New: req.Body.New,
	})
}

func (s *Services) listUsers(ctx context.Context, _ *empty) (*Page[party.MerchantUser], error) {
	users, err := s.Parties.UsersOf(ctx, CallerOf(ctx).Merchant)
	return &Page[party.MerchantUser]{Data: users}, err
}

type inviteUserBody struct {
	Email string             `json:"email" minLength:"3" maxLength:"254"`
	Name  string             `json:"name" minLength:"1" maxLength:"64"`
	Role  party.MerchantRole `json:"role" enum:"owner,finance,operator,viewer"`
	Store id.Store           `json:"store_id,omitempty" doc:"Of this store only; for operators and viewers."`
}

type inviteUserRequest struct {
	Body inviteUserBody
}

// Invitation is a fresh user with the token that sets the password, shown this once.
type Invitation struct {
	User  party.MerchantUser `json:"user"`
	Token string             `json:"token" doc:"Hand it to the person; good for seven days."`
}

func (s *Services) inviteUser(ctx context.Context, req *inviteUserRequest) (*Invitation, error) {
	user, token, err := s.Auth.Invite(ctx, party.NewMerchantUser{
		Merchant: CallerOf(ctx).Merchant, Store: req.Body.Store, Email: req.Body.Email, Name: req.Body.Name,
		Role: req.Body.Role,
	})
	return &Invitation{User: user, Token: token}, err
}

type changeUserBody struct {
	Role          party.MerchantRole `json:"role,omitempty" enum:"owner,finance,operator,viewer"`
	State         party.State        `json:"state,omitempty" enum:"active,frozen,closed" doc:"frozen suspends."`
	Store         id.Store           `json:"store_id,omitempty"`
	WholeMerchant bool               `json:"whole_merchant,omitempty" doc:"true takes the store away."`
}

// Check wants at least one change.
func (b *changeUserBody) Check() error {
	if *b == (changeUserBody{}) {
		return fault.New(fault.Invalid, codeMissingField, "nothing is to be changed").WithParam("role")
	}
	return nil
}

type changeUserRequest struct {
	ID   id.MerchantUser `path:"id"`
	Body changeUserBody
}

func (s *Services) changeUser(ctx context.Context, req *changeUserRequest) (*party.MerchantUser, error) {
	caller := CallerOf(ctx)
	user, err := s.Parties.ChangeUser(ctx, party.UserChange{
		Merchant: caller.Merchant, By: caller.User, User: req.ID, Role: req.Body.Role, State: req.Body.State,
		Store: req.Body.Store, WholeMerchant: req.Body.WholeMerchant,
	})
	if err == nil {
		s.Auth.ForgetSessions()
	}
	return &user, err
}

type resetUserTOTPRequest struct {
	ID id.MerchantUser `path:"id"`
}

func (s *Services) resetUserTOTP(ctx context.Context, req *resetUserTOTPRequest) (*NoContent, error) {
	caller := CallerOf(ctx)
	return &NoContent{}, s.Auth.TakeUserTOTP(ctx, auth.TOTPLoss{
		Merchant: caller.Merchant, By: caller.User, User: req.ID,
	})
}

// ownStore refuses a store that is not the caller's own, where the caller is of one store, as if it were not there.
func (s *Services) ownStore(ctx context.Context, name id.Store) (party.Store, error) {
	caller := CallerOf(ctx)
	store, err := s.Parties.StoreOf(ctx, caller.Merchant, name)
	if err == nil && caller.Store != "" && caller.Store != name {
		return party.Store{}, fault.New(fault.NotFound, "party.store_not_found", "there is no such store")
	}
	return store, err
}

func (s *Services) listStores(ctx context.Context, _ *empty) (*Page[party.Store], error) {
	if own := CallerOf(ctx).Store; own != "" {
		store, err := s.ownStore(ctx, own)
		return &Page[party.Store]{Data: []party.Store{store}}, err
	}
	stores, err := s.Parties.StoresOf(ctx, CallerOf(ctx).Merchant)
	return &Page[party.Store]{Data: stores}, err
}

type createStoreBody struct {
	Name    string `json:"name" minLength:"1" maxLength:"64"`
	Address string `json:"address,omitempty" maxLength:"200"`
}

type createStoreRequest struct {
	Body createStoreBody
}

func (s *Services) createStore(ctx context.Context, req *createStoreRequest) (*party.Store, error) {
	caller := CallerOf(ctx)
	if caller.Store != "" {
		return nil, fault.New(fault.Forbidden, "auth.store_only", "you are of one store and can't open others").
			WithHint("ask an owner of the merchant")
	}
	store, err := s.Parties.CreateStore(ctx, party.NewStore{
		Merchant: caller.Merchant, Name: req.Body.Name, Address: req.Body.Address,
	})
	return &store, err
}

type storeRequest struct {
	ID id.Store `path:"id"`
}

func (s *Services) getStore(ctx context.Context, req *storeRequest) (*party.Store, error) {
	store, err := s.ownStore(ctx, req.ID)
	return &store, err
}

type setStoreStateBody struct {
	State party.State `json:"state" enum:"active,frozen,closed"`
}

type setStoreStateRequest struct {
	ID   id.Store `path:"id"`
	Body setStoreStateBody
}

func (s *Services) setStoreState(ctx context.Context, req *setStoreStateRequest) (*NoContent, error) {
	if _, err := s.ownStore(ctx, req.ID); err != nil {
		return nil, err
	}
	return &NoContent{}, s.Parties.SetStoreState(ctx, CallerOf(ctx).Merchant, req.ID, req.Body.State)
}

func (s *Services) listOwnKeys(ctx context.Context, _ *empty) (*Page[auth.APIKey], error) {
	keys, err := s.Auth.ListKeys(ctx, CallerOf(ctx).Merchant)
	return &Page[auth.APIKey]{Data: keys}, err
}

type createOwnKeyRequest struct {
	Body createKeyBody
}

func (s *Services) createOwnKey(ctx context.Context, req *createOwnKeyRequest) (*NewKey, error) {
	key, secret, err := s.Auth.CreateKey(ctx, CallerOf(ctx).Merchant, req.Body.Name)
	return &NewKey{APIKey: key, Secret: secret}, err
}

type revokeOwnKeyRequest struct {
	Key id.APIKey `path:"key"`
}

func (s *Services) revokeOwnKey(ctx context.Context, req *revokeOwnKeyRequest) (*NoContent, error) {
	return &NoContent{}, s.Auth.RevokeKey(ctx, CallerOf(ctx).Merchant, req.Key)
}

type listSalesRequest struct {
	Paging
	TimeRange
	Store id.Store      `query:"store_id" maxLength:"40" doc:"Only of this store."`
	State payment.State `query:"state" enum:"created,authorized,succeeded,declined,expired,voided"`
}

func (s *Services) listSales(ctx context.Context, req *listSalesRequest) (*Page[payment.Payment], error) {
	caller := CallerOf(ctx)
	store := caller.Store
	if req.Store != "" {
		if _, err := s.ownStore(ctx, req.Store); err != nil {
			return nil, err
		}
		store = req.Store
	}
	rows, more, err := s.Payments.List(ctx, payment.ListQuery{
		Merchant: caller.Merchant, Store: store, Before: id.Payment(req.Cursor), State: req.State,
		From: req.From, To: req.To, Limit: req.Limit,
	})
	if err != nil {
		return nil, err
	}
	return pageOf(rows, more, func(p payment.Payment) string { return string(p.ID) }), nil
}

func (s *Services) getSale(ctx context.Context, req *paymentRequest) (*payment.Payment, error) {
	caller := CallerOf(ctx)
	found, err := s.Payments.OfMerchant(ctx, caller.Merchant, req.ID)
	if err == nil && caller.Store != "" && found.Store != caller.Store {
		return nil, fault.New(fault.NotFound, "payment.not_found", "there is no such payment")
	}
	return &found, err
}

func (s *Services) portalBalance(ctx context.Context, req *balanceRequest) (*BalanceView, error) {
	return s.balance(ctx, ledger.MerchantPending, string(CallerOf(ctx).Merchant), req)
}

func (s *Services) listSubMerchants(ctx context.Context, _ *empty) (*Page[SubMerchant], error) {
	merchants, err := s.Parties.SubMerchants(ctx, CallerOf(ctx).Merchant)
	page := &Page[SubMerchant]{Data: []SubMerchant{}}
	for _, m := range merchants {
		page.Data = append(page.Data, SubMerchant{ID: m.ID, Name: m.Name, State: m.State, CreatedAt: m.CreatedAt})
	}
	return page, err
}

// SubMerchant is a merchant as the one that brought it sees it.
type SubMerchant struct {
	ID        id.Merchant `json:"id"`
	Name      string      `json:"name"`
	State     party.State `json:"state" enum:"active,frozen,closed"`
	CreatedAt time.Time   `json:"created_at"`
}
