package edge

import "time"

// Sign is what a detector looks for.
type Sign string

// What an intruder does.
const (
	// SignUnknown is a path or method that we do not have.
	SignUnknown Sign = "unknown_path"
	// SignBadToken is a key or session that does not exist.
	SignBadToken Sign = "bad_token"
	// SignBadLogin is a sign-in with a wrong login or password.
	SignBadLogin Sign = "bad_login"
	// SignLateLogin is a good sign-in to a login that many had tried.
	SignLateLogin Sign = "late_login"
	// SignMissing is an object that is not there or not the caller's.
	SignMissing Sign = "missing_object"
	// SignMissingOfKey is the same, asked for with a merchant's key.
	SignMissingOfKey Sign = "missing_object_of_key"
	// SignBadCode is a payment code that does not hold.
	SignBadCode Sign = "bad_code"
	// SignAttack is a request that the web application firewall knows as an attack.
	SignAttack Sign = "attack"
)

// By says whose signs a rule counts.
type By string

// Whose signs are counted, and who is blocked.
const (
	ByAddress By = "address"
	ByCaller  By = "caller" // strangers by their address
	ByLogin   By = "login"  // of one login, by any address; is never blocked, or anybody could lock anybody out
)

// Rule is one detector: Count signs within Window make a security event, and a block of whom it counts for
// Block. With Distinct only signs that differ are counted: paths, logins, objects, and for ByLogin addresses.
type Rule struct {
	Name     string        `json:"name"`
	Sign     Sign          `json:"sign"`
	By       By            `json:"by"`
	Count    int           `json:"count"`
	Distinct bool          `json:"distinct"`
	Window   time.Duration `json:"-"`
	Block    time.Duration `json:"-"` // 0: the event only
}

// Rules is the table of detectors. A person who mistypes stays far below; who is counted by address shares it with
// all behind one connection, so those blocks are short.
func Rules() []Rule {
	return []Rule{
		{"scanning", SignUnknown, ByAddress, 30, true, time.Minute, 15 * time.Minute},
		{"token_guessing", SignBadToken, ByAddress, 30, true, 5 * time.Minute, 15 * time.Minute},
		{"credential_stuffing", SignBadLogin, ByAddress, 15, true, 10 * time.Minute, 30 * time.Minute},
		{"login_under_attack", SignBadLogin, ByLogin, 5, true, 15 * time.Minute, 0},
		{"sign_in_after_attack", SignLateLogin, ByLogin, 1, false, 15 * time.Minute, 0},
		{"enumeration", SignMissing, ByCaller, 100, true, 5 * time.Minute, 10 * time.Minute},
		// A merchant who reconciles asks for many references of its own that never came to be: it is told of, and the key
		// goes on being paid with.
		{"enumeration_by_key", SignMissingOfKey, ByCaller, 100, true, 5 * time.Minute, 0},
		{"code_guessing", SignBadCode, ByCaller, 60, false, 5 * time.Minute, 5 * time.Minute},
		{"web_attack", SignAttack, ByAddress, 5, false, 5 * time.Minute, time.Hour},
	}
}
