package httpsig

import (
	"strconv"
	"strings"
	"time"
)

// lineMax cuts lines of a signature base in a report.
const lineMax = 500

// hidden stands in a report for what must not be shown again.
const hidden = "(hidden)"

// Diagnosis is what Diagnose found. Problems are all that is wrong, the decisive one first; none where Valid.
type Diagnosis struct {
	Valid     bool       `json:"valid" doc:"The signature holds. Whether its nonce was used is not looked at."`
	Label     string     `json:"label,omitempty"`
	KeyID     string     `json:"key_id,omitempty"`
	Algorithm Algorithm  `json:"algorithm,omitempty" enum:"ed25519,ecdsa-p256-sha256,rsa-pss-sha512,rsa-v1_5-sha256,sm2-sm3" doc:"What the key is registered for."`
	Created   time.Time  `json:"created,omitzero"`
	Now       time.Time  `json:"now" doc:"The server's clock."`
	Covered   []string   `json:"covered" doc:"The components that the signature says it covers."`
	Lines     []BaseLine `json:"signature_base" doc:"What must be signed: these lines, joined by a line feed, without one at the end."`
	Digest    string     `json:"content_digest,omitempty" doc:"What Content-Digest should say for the body that arrived."`
	Problems  []Flaw     `json:"problems"`
}

// BaseLine is one line of a signature base.
type BaseLine struct {
	Line string `json:"line" doc:"As it is canonicalised here; secrets are hidden."`
	// Yours is the line of the base that the caller sent for comparison, where it differs.
	Yours   string `json:"yours,omitempty" doc:"Your line, where it differs."`
	Differs bool   `json:"differs,omitempty"`
}

// Question is what Diagnose is asked: a request, and optionally the base that its signer made. Others are more keys
// that the signature may have been made by.
type Question struct {
	Message Message
	Base    string
	Find    FindKey
	Others  []Key
	Now     time.Time
}

// Diagnose checks a signed request as CheckRequest does, does not stop at the first problem, and says of a signature
// that does not hold what would have made it hold.
func Diagnose(q Question) Diagnosis {
	report := Diagnosis{Now: q.Now, Covered: []string{}, Lines: []BaseLine{}, Problems: []Flaw{}}
	if len(q.Message.Body) > 0 {
		report.Digest, _ = contentDigest(q.Message.Body) // bytes can be written
	}
	signatures, wrong := Read(q.Message.Header)
	if wrong != nil {
		report.Problems = append(report.Problems, *wrong)
		return report
	}
	chosen, key, unknown := choose(signatures, q.Find)
	report.Label, report.KeyID, report.Created, report.Covered = chosen.Label, chosen.KeyID, chosen.Created, chosen.Covered
	if report.Covered == nil {
		report.Covered = []string{}
	}
	base, unreadable := chosen.base(q.Message)
	report.Lines = compare(string(base), q.Base)
	if unknown != nil {
		report.Problems = append(report.Problems, *unknown)
	} else {
		report.Algorithm = key.Algorithm
		if unreadable == nil && !key.Verify(base, chosen.Bytes) {
			report.Problems = append(report.Problems, q.explain(chosen, key, base))
		}
	}
	if unreadable != nil {
		report.Problems = append(report.Problems, *unreadable)
	}
	for i, check := range checks() {
		if i == 0 && unknown != nil {
			continue // without a key no algorithm is wrong
		}
		if wrong := check(q.Message, chosen, key, q.Now); wrong != nil {
			report.Problems = append(report.Problems, *wrong)
		}
	}
	if differing := firstDifference(report.Lines); differing > 0 {
		report.Problems = append(report.Problems, Flaw{
			Code: CodeWrong, Message: "your signature base differs first in line " + strconv.Itoa(differing),
			Hint: "make that line as it is here: name in quotes, a colon, one space, the value",
		})
	}
	report.Valid = len(report.Problems) == 0
	return report
}

// compare splits our base into lines and puts theirs beside it, where they sent one.
func compare(ours, theirs string) []BaseLine {
	lines := []BaseLine{}
	if ours == "" {
		return lines
	}
	own, yours := strings.Split(ours, "\n"), strings.Split(theirs, "\n")
	for i := range max(len(own), len(yours)) {
		var line BaseLine
		if i < len(own) {
			line.Line = shown(own[i])
		}
		if theirs != "" && (i >= len(own) || i >= len(yours) || own[i] != yours[i]) {
			line.Differs = true
			if i < len(yours) {
				line.Yours = shown(yours[i])
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// shown is a line as a report may show it: cut, without what proves the caller, and with what cannot be seen written
// out.
func shown(line string) string {
	for _, secret := range []string{`"authorization": `, `"cookie": `, `"proxy-authorization": `} {
		if strings.HasPrefix(strings.ToLower(line), secret) {
			return line[:len(secret)] + hidden
		}
	}
	if len(line) > lineMax {
		line = strings.ToValidUTF8(line[:lineMax], "") + "…"
	}
	return strings.NewReplacer("\r", `\r`, "\t", `\t`).Replace(line)
}

// firstDifference returns the number of the first line that differs, counted from 1; 0 for none.
func firstDifference(lines []BaseLine) int {
	for i, line := range lines {
		if line.Differs {
			return i + 1
		}
	}
	return 0
}
