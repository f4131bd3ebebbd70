package api

import (
	"context"
	"database/sql"
	"net/http"
	"time"

	"github.com/feiqian/feiqian/internal/approval"
	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/job"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

// The staff's door: /ops/v1.

func (s *Services) opsSignInEndpoints() []Endpoint {
	return []Endpoint{
		Handle(Route{
			Method: post, Path: "/ops/v1/login", Actor: ActorPublic, Status: 201,
			Tag: "Staff", Name: "staff_login", Summary: "Sign in as staff",
		}, s.staffLogin),
		Handle(Route{
			Method: post, Path: "/ops/v1/totp", Actor: ActorPublic, Status: 201, Tag: "Staff", Name: "staff_totp",
			Summary: "Get a secret for an authenticator app, before the first sign-in",
		}, s.staffTOTP),
		Handle(Route{
			Method: post, Path: "/ops/v1/logout", Actor: ActorStaff, Permission: AnyPermission,
			Tag: "Staff", Name: "staff_logout", Summary: "Sign out",
		}, s.logout),
	}
}

// opsRoute is a staff route below /ops/v1.
func opsRoute(permission auth.Permission, method, path, tag, name, summary string) Route {
	return Route{
		Method: method, Path: "/ops/v1" + path, Actor: ActorStaff, Permission: string(permission),
		Tag: tag, Name: name, Summary: summary,
	}
}

func (s *Services) opsBooksEndpoints() []Endpoint {
	return []Endpoint{
		Handle(opsRoute(auth.ReadLedger, get, "/chart", "Books", "get_chart",
			"Read the chart of accounts"), s.chart),
		Handle(opsRoute(auth.ReadLedger, get, "/trial_balance", "Books", "get_trial_balance",
			"Read the trial balance with its proofs"), s.trial),
		Handle(opsRoute(auth.ReadLedger, get, "/accounts/{account}", "Books", "get_account",
			"Read an account's balance"), s.account),
		Handle(opsRoute(auth.ReadLedger, get, "/accounts/{account}/statement", "Books", "get_account_statement",
			"Read an account's statement"), s.accountStatement),
		Handle(opsRoute(auth.ReadLedger, get, "/receipts/{entry_id}", "Books", "get_full_receipt",
			"Get a receipt with every line"), s.fullReceipt),
		Handle(opsRoute(auth.ReadLedger, get, "/log", "Books", "get_log",
			"Read the log's key and newest checkpoint"), s.logHead),
	}
}

func (s *Services) opsEndpoints() []Endpoint {
	created := func(r Route) Route { r.Status = 201; return r }
	proposes := func(r Route) Route { r.Status, r.Proposes = 204, true; return r }
	return []Endpoint{
		Handle(opsRoute(auth.ReadPayments, get, "/payments/{id}", "Support", "get_any_payment",
			"Read any payment"), s.anyPayment),
		Handle(opsRoute(auth.ReadPayments, get, "/attempts", "Support", "list_open_attempts",
			"List attempts without a final state"), s.openAttempts),
		Handle(opsRoute(auth.ReadPayments, get, "/attempts/{id}", "Support", "get_attempt",
			"Read an attempt"), s.anyAttempt),
		Handle(opsRoute(auth.ReadMerchants, get, "/merchants", "Merchants", "list_merchants",
			"List merchants"), s.listMerchants),
		Handle(created(opsRoute(auth.WriteMerchants, post, "/merchants", "Merchants", "create_merchant",
			"Create a merchant")), s.createMerchant),
		Handle(proposes(opsRoute(auth.WriteMerchants, put, "/merchants/{id}/state", "Merchants", "set_merchant_state",
			"Freeze or thaw a merchant, for a reason")), s.setMerchantState),
		Handle(opsRoute(auth.ReadMerchants, get, "/merchants/{id}/keys", "Merchants", "list_keys",
			"List a merchant's secret keys, masked"), s.listKeys),
		Handle(created(opsRoute(auth.WriteMerchants, post, "/merchants/{id}/keys", "Merchants", "create_key",
			"Make a secret key")), s.createKey),
		Handle(opsRoute(auth.WriteMerchants, del, "/merchants/{id}/keys/{key}", "Merchants", "revoke_key",
			"Revoke a secret key"), s.revokeKey),
		Handle(opsRoute(auth.ReadCustomers, get, "/customers/{id}", "Support", "get_customer",
			"Read a customer"), s.customer),
		Handle(opsRoute(auth.WriteCustomers, put, "/customers/{id}/state", "Support", "set_customer_state",
			"Freeze, thaw or close a wallet"), s.setCustomerState),
		Handle(opsRoute(auth.Operate, get, "/jobs/dead", "System", "list_dead_jobs",
			"List jobs that gave up"), s.deadJobs),
		Handle(opsRoute(auth.Operate, post, "/jobs/{id}/retry", "System", "retry_job",
			"Run a dead job again"), s.retryJob),
	}
}

type staffLoginBody struct {
	Email    string `json:"email" minLength:"3" maxLength:"128"`
	Password string `json:"password" minLength:"1" maxLength:"128"`
	TOTP     string `json:"totp,omitempty" maxLength:"20" doc:"The code of your authenticator app, or a recovery code."`
}

type staffLoginRequest struct {
	Body staffLoginBody
}

// StaffSession is a fresh session of a person of the staff; the token is shown this once.
type StaffSession struct {
	Token     string     `json:"token"`
	ExpiresAt time.Time  `json:"expires_at"`
	Staff     id.Staff   `json:"staff_id"`
	Role      party.Role `json:"role"`
	// RecoveryCodes come with the first sign-in.
	RecoveryCodes []string `json:"recovery_codes,omitempty" doc:"With the first sign-in; each stands in for the app once. Shown this once."`
}

func (s *Services) staffLogin(ctx context.Context, req *staffLoginRequest) (*StaffSession, error) {
	noteLogin(ctx, req.Body.Email)
	in, err := s.Auth.SignInStaff(ctx, auth.StaffSignInRequest{
		Email: req.Body.Email, Password: req.Body.Password, Address: AddressOf(ctx), TOTP: req.Body.TOTP,
	})
	if err != nil {
		return nil, err
	}
	noteSignedIn(ctx, in.Session.SubjectID)
	return &StaffSession{
		Token: in.Token, ExpiresAt: in.Session.ExpiresAt, Staff: in.Session.Staff(), Role: in.Session.Role,
		RecoveryCodes: in.RecoveryCodes,
	}, nil
}

type staffTOTPBody struct {
	Email    string `json:"email" minLength:"3" maxLength:"128"`
	Password string `json:"password" minLength:"1" maxLength:"128"`
}

type staffTOTPRequest struct {
	Body staffTOTPBody
}

func (s *Services) staffTOTP(ctx context.Context, req *staffTOTPRequest) (*auth.Enrolment, error) {
	noteLogin(ctx, req.Body.Email)
	enrolment, err := s.Auth.BeginStaffTOTP(ctx, auth.StaffSignInRequest{
		Email: req.Body.Email, Password: req.Body.Password, Address: AddressOf(ctx),
	})
	return &enrolment, err
}

func (s *Services) chart(context.Context, *empty) (*Page[ledger.ChartLine], error) {
	return &Page[ledger.ChartLine]{Data: ledger.Chart()}, nil
}

func (s *Services) trial(ctx context.Context, _ *empty) (*ledger.Trial, error) {
	trial, err := s.Ledger.Trial(ctx)
	return &trial, err
}

type accountRequest struct {
	Account string `path:"account" maxLength:"120"`
}

func (s *Services) account(ctx context.Context, req *accountRequest) (*ledger.Balance, error) {
	account, err := ledger.ParseAccountID(req.Account)
	if err != nil {
		return nil, paramOf(err, "account")
	}
	balance, err := s.Ledger.Balance(ctx, account)
	return &balance, err
}

type accountStatementRequest struct {
	Paging
	TimeRange
	Account string `path:"account" maxLength:"120"`
}

func (s *Services) accountStatement(ctx context.Context, req *accountStatementRequest) (*Page[ledger.Posting], error) {
	account, err := ledger.ParseAccountID(req.Account)
	if err != nil {
		return nil, paramOf(err, "account")
	}
	return s.postings(ctx, account, &statementRequest{Paging: req.Paging, TimeRange: req.TimeRange})
}

func (s *Services) fullReceipt(ctx context.Context, req *receiptRequest) (*ledger.Receipt, error) {
	receipt, err := s.Log.Receipt(ctx, req.Entry, ledger.EveryLine)
	return &receipt, err
}

// LogHead is what an auditor keeps: the key that signs, and the newest checkpoint.
type LogHead struct {
	Key        string `json:"key"`
	Checkpoint string `json:"checkpoint"`
	Size       int64  `json:"size"`
}

func (s *Services) logHead(ctx context.Context, _ *empty) (*LogHead, error) {
	checkpoint, err := s.Log.Checkpoint(ctx)
	return &LogHead{Key: s.Log.Key(), Checkpoint: checkpoint.Note, Size: checkpoint.Size}, err
}

func (s *Services) anyPayment(ctx context.Context, req *paymentRequest) (*payment.Payment, error) {
	found, err := s.Payments.Payment(ctx, req.ID)
	return &found, err
}

func (s *Services) openAttempts(ctx context.Context, _ *empty) (*Page[attempt.Attempt], error) {
	attempts, err := s.Attempts.Open(ctx, 100)
	return &Page[attempt.Attempt]{Data: attempts}, err
}

type attemptRequest struct {
	ID id.Attempt `path:"id"`
}

func (s *Services) anyAttempt(ctx context.Context, req *attemptRequest) (*attempt.Attempt, error) {
	found, err := s.Attempts.Attempt(ctx, req.ID)
	return &found, err
}

func (s *Services) listMerchants(ctx context.Context, req *Paging) (*Page[party.Merchant], error) {
	page := party.Page{Limit: req.Limit}
	if req.Cursor != "" {
		page.Cursor = req.Cursor.String()
	}
	merchants, err := s.Parties.ListMerchants(ctx, page)
	if merchants.Merchants == nil {
		merchants.Merchants = []party.Merchant{}
	}
	return &Page[party.Merchant]{Data: merchants.Merchants, HasMore: merchants.Next != "", NextCursor: merchants.Next}, err
}

type createMerchantBody struct {
	Name          string `json:"name" minLength:"1" maxLength:"64"`
	FeeBps        int64  `json:"fee_bps" minimum:"0" maximum:"10000" doc:"Share of each payment, in basis points."`
	FeeFixedMinor int64  `json:"fee_fixed_minor,omitempty" minimum:"0" doc:"Fixed part, in minor units."`
	AdvanceMinor  int64  `json:"advance_minor,omitempty" minimum:"0" doc:"What we lend for refunds that the balance does not cover."`
}

type createMerchantRequest struct {
	Body createMerchantBody
}

func (s *Services) createMerchant(ctx context.Context, req *createMerchantRequest) (*party.Merchant, error) {
	merchant, err := s.Parties.CreateMerchant(ctx, party.NewMerchant{
		Name: req.Body.Name, FeeBps: req.Body.FeeBps, FeeFixedMinor: req.Body.FeeFixedMinor,
		AdvanceMinor: req.Body.AdvanceMinor,
	})
	return &merchant, err
}

type setMerchantStateBody struct {
	State  party.State `json:"state" enum:"active,frozen" doc:"A frozen merchant takes no payments; refunds go on."`
	Reason string      `json:"reason" minLength:"1" maxLength:"200" doc:"Why, for staff; the merchant does not see it."`
}

type setMerchantStateRequest struct {
	ID   id.Merchant `path:"id"`
	Body setMerchantStateBody
}

// setMerchantState waits for a second person only where the settings say so: a fraud must not wait.
func (s *Services) setMerchantState(ctx context.Context, req *setMerchantStateRequest) (*Answer[Acted], error) {
	if s.Approvals.Needs(approval.MerchantState) {
		return s.act(ctx, http.StatusNoContent, approval.Order{
			Kind: approval.MerchantState, Request: approval.StateChange{Merchant: req.ID, State: req.Body.State},
			Reason: req.Body.Reason,
		})
	}
	err := s.Parties.SetMerchantState(ctx, req.ID, req.Body.State, req.Body.Reason)
	return &Answer[Acted]{Status: http.StatusNoContent}, err
}

type merchantRequest struct {
	ID id.Merchant `path:"id"`
}

func (s *Services) listKeys(ctx context.Context, req *merchantRequest) (*Page[auth.APIKey], error) {
	keys, err := s.Auth.ListKeys(ctx, req.ID)
	return &Page[auth.APIKey]{Data: keys}, err
}

type createKeyBody struct {
	Name string `json:"name" minLength:"1" maxLength:"64"`
}

type createKeyRequest struct {
	ID   id.Merchant `path:"id"`
	Body createKeyBody
}

// NewKey is a fresh secret key; the secret is shown this once.
type NewKey struct {
	auth.APIKey
	Secret string `json:"secret"`
}

func (s *Services) createKey(ctx context.Context, req *createKeyRequest) (*NewKey, error) {
	key, secret, err := s.Auth.CreateKey(ctx, req.ID, req.Body.Name)
	return &NewKey{APIKey: key, Secret: secret}, err
}

type revokeKeyRequest struct {
	ID  id.Merchant `path:"id"`
	Key id.APIKey   `path:"key"`
}

func (s *Services) revokeKey(ctx context.Context, req *revokeKeyRequest) (*NoContent, error) {
	return &NoContent{}, s.Auth.RevokeKey(ctx, req.ID, req.Key)
}

type customerRequest struct {
	ID id.Customer `path:"id"`
}

func (s *Services) customer(ctx context.Context, req *customerRequest) (*party.Customer, error) {
	customer, err := s.Parties.Customer(ctx, req.ID)
	return &customer, err
}

type setCustomerStateBody struct {
	State party.State `json:"state" enum:"active,frozen,closed"`
}

type setCustomerStateRequest struct {
	ID   id.Customer `path:"id"`
	Body setCustomerStateBody
}

// setCustomerState refuses to close while money is on its way: a closed account could not take it back.
func (s *Services) setCustomerState(ctx context.Context, req *setCustomerStateRequest) (*NoContent, error) {
	if req.Body.State == party.StateClosed {
		underWay, err := s.Attempts.UnderWay(ctx, req.ID)
		if err != nil {
			return nil, err
		}
		if underWay {
			return nil, fault.New(fault.Conflict, "party.money_under_way",
				"a top-up or withdrawal of this customer is not decided yet").
				WithHint("freeze the wallet now and close it when the bank has decided")
		}
	}
	return &NoContent{}, s.Wallets.SetState(ctx, req.ID, req.Body.State)
}

type deadJobsRequest struct {
	Paging
}

func (s *Services) deadJobs(ctx context.Context, req *deadJobsRequest) (*Page[job.Job], error) {
	jobs, next, err := s.Jobs.Dead(ctx, id.Job(req.Cursor), req.Limit)
	if err != nil {
		return nil, err
	}
	return pageOf(jobs, next != "", func(j job.Job) string { return string(j.ID) }), nil
}

type retryJobRequest struct {
	ID id.Job `path:"id"`
}

func (s *Services) retryJob(ctx context.Context, req *retryJobRequest) (*NoContent, error) {
	return &NoContent{}, s.Jobs.Retry(ctx, req.ID, func(tx *sql.Tx) error {
		return s.Trail.WriteIn(ctx, tx, audit.Act{Kind: "job.retried", Subject: string(req.ID)})
	})
}

// paramOf names the request member that a fault is about.
func paramOf(err error, param string) error { return fault.From(err).WithParam(param) }
