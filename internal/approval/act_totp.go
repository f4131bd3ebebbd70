package approval

import (
	"context"

	"github.com/go-json-experiment/json"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// The kinds of the acts that take somebody's lost authenticator app away: a colleague's, a merchant's user's.
const (
	StaffTOTP = "staff.totp"
	UserTOTP  = "merchant.user_totp"
)

// TOTPReset is the request of StaffTOTP.
type TOTPReset struct {
	Staff id.Staff `json:"staff_id"`
}

// UserTOTPReset is the request of UserTOTP.
type UserTOTPReset struct {
	Merchant id.Merchant     `json:"merchant_id"`
	User     id.MerchantUser `json:"user_id"`
}

// appState is what the act changes, as the checker sees it.
type appState struct {
	App bool `json:"authenticator_app"`
}

// TOTPActs are the acts about authenticator apps. All sessions of whose app it was end; the next sign-in, which still
// needs the password, sets up another app. Nobody of the staff asks for or decides it for themselves.
func TOTPActs(apps *auth.Auth) []Act {
	return []Act{
		{
			Kind: StaffTOTP, Done: "staff.totp_reset", Permission: auth.WriteStaff,
			Title: "take a colleague's lost authenticator app away", TitleZH: "重置员工的身份验证器",
			Prepare: func(_ context.Context, d Draft) (Plan, error) {
				var request TOTPReset
				if err := json.Unmarshal(d.Request, &request); err != nil {
					return Plan{}, fault.Wrap(err, "read the request")
				}
				return Plan{
					Subject: string(request.Staff), About: request.Staff, Keys: apps.StaffTOTPKeys(request.Staff),
					Diff: func(tx *commit.Tx) (any, any, error) {
						return appState{App: true}, appState{}, apps.HasStaffTOTP(tx, request.Staff)
					},
					Execute: func(tx *commit.Tx) (any, error) { return nil, apps.ResetStaffTOTP(tx, request.Staff) },
				}, nil
			},
		},
		{
			Kind: UserTOTP, Done: "user.totp_reset", Permission: auth.WriteMerchants,
			Title: "take the lost authenticator app of a merchant's user away", TitleZH: "重置商户人员的身份验证器",
			Prepare: func(_ context.Context, d Draft) (Plan, error) {
				var request UserTOTPReset
				if err := json.Unmarshal(d.Request, &request); err != nil {
					return Plan{}, fault.Wrap(err, "read the request")
				}
				return Plan{
					Subject: string(request.User), Keys: apps.UserTOTPKeys(request.User),
					Diff: func(tx *commit.Tx) (any, any, error) {
						return appState{App: true}, appState{}, apps.HasUserTOTP(tx, request.Merchant, request.User)
					},
					Execute: func(tx *commit.Tx) (any, error) {
						return nil, apps.ResetUserTOTP(tx, request.Merchant, request.User)
					},
				}, nil
			},
		},
	}
}
