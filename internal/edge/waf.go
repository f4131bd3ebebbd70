package edge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/types"
	"github.com/prometheus/client_golang/prometheus"
)

// WAFMode says what the web application firewall does with an attack.
type WAFMode string

// The modes of the firewall.
const (
	WAFOff    WAFMode = "off"
	WAFDetect WAFMode = "detect" // counts and logs
	WAFBlock  WAFMode = "block"  // refuses too
)

// wafBodyMax is how much of a body is looked at: a longer one is an upload, which onboarding checks by its bytes.
const wafBodyMax = 128 << 10

// wafDirectives set up the OWASP core rule set at its first paranoia level, for JSON bodies and our methods. A body
// that a rule cannot parse is left to the API's own strict reader.
const wafDirectives = `
Include @coraza.conf-recommended
SecRuleEngine %s
SecRequestBodyAccess On
SecRequestBodyLimit 262144
SecRequestBodyNoFilesLimit 262144
SecResponseBodyAccess Off
SecAuditEngine Off
Include @crs-setup.conf.example
SecAction "id:900200,phase:1,pass,t:none,nolog,setvar:'tx.allowed_methods=GET HEAD POST PUT PATCH DELETE OPTIONS'"
Include @owasp_crs/*.conf
`

// WAF is a web application firewall with the OWASP core rule set. It costs milliseconds of processor time a request,
// so it belongs in front of doors that browsers use and never on the way of a payment.
type WAF struct {
	waf     coraza.WAF
	mode    WAFMode
	log     *slog.Logger
	matched *prometheus.CounterVec
}

// NewWAF loads the rules; nil for WAFOff. Errors: the rules can't be loaded, or the mode is not known.
func NewWAF(mode WAFMode, log *slog.Logger) (*WAF, error) {
	engine := map[WAFMode]string{WAFDetect: "DetectionOnly", WAFBlock: "On"}[mode] //nolint:exhaustive // off has none
	switch {
	case mode == WAFOff || mode == "":
		return nil, nil //nolint:nilnil // no firewall is what was asked for
	case engine == "":
		return nil, fmt.Errorf("waf: %q is no mode; write off, detect or block", mode)
	}
	rules, err := coraza.NewWAF(coraza.NewWAFConfig().
		WithRootFS(coreruleset.FS).WithDirectives(fmt.Sprintf(wafDirectives, engine)))
	if err != nil {
		return nil, fmt.Errorf("load the rules of the web application firewall: %w", err)
	}
	w := &WAF{waf: rules, mode: mode, log: log, matched: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "feiqian_waf_attacks_total", Help: "Requests that the web application firewall takes for attacks.",
	}, []string{"action"})}
	w.matched.WithLabelValues(string(mode))
	return w, nil
}

// Collectors are the metrics of the firewall.
func (w *WAF) Collectors() []prometheus.Collector { return []prometheus.Collector{w.matched} }

// Verdict is what the firewall found.
type Verdict struct {
	Attack bool // the request looks like one
	Refuse bool // and is to be refused
}

// Inspect looks at a request; its body can be read afterwards as before. Errors: the body did not arrive.
func (w *WAF) Inspect(r *http.Request, from netip.Addr) (Verdict, error) {
	tx := w.waf.NewTransaction()
	defer func() {
		tx.ProcessLogging()
		_ = tx.Close() // it frees memory and temporary files that we have not asked for
	}()
	tx.ProcessConnection(from.String(), 0, "", 0)
	tx.ProcessURI(r.URL.RequestURI(), r.Method, r.Proto)
	for name, values := range r.Header {
		if name == "Authorization" {
			continue // a secret, and nothing to look at
		}
		for _, value := range values {
			tx.AddRequestHeader(name, value)
		}
	}
	// net/http has taken these out, or nobody sent them for an empty body, such as a sign-out's; rule 920180 takes a POST
	// without either for a smuggler's.
	for _, coding := range r.TransferEncoding {
		tx.AddRequestHeader("Transfer-Encoding", coding)
	}
	if r.ContentLength >= 0 && r.Header.Get("Content-Length") == "" {
		tx.AddRequestHeader("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	tx.AddRequestHeader("Host", r.Host)
	tx.SetServerName(r.Host)
	stopped := tx.ProcessRequestHeaders()
	if stopped == nil && r.Body != nil && r.Body != http.NoBody {
		var err error
		if stopped, err = inspectBody(tx, r); err != nil {
			return Verdict{}, err
		}
	} else if stopped == nil {
		var err error
		if stopped, err = tx.ProcessRequestBody(); err != nil {
			return Verdict{}, fmt.Errorf("inspect a request: %w", err)
		}
	}
	attack := stopped != nil || scored(tx)
	if attack {
		w.matched.WithLabelValues(string(w.mode)).Inc()
		w.log.WarnContext(r.Context(), "web application firewall", slog.String("rules", rulesOf(tx)),
			slog.String("mode", string(w.mode)))
	}
	return Verdict{Attack: attack, Refuse: attack && w.mode == WAFBlock}, nil
}

// inspectBody shows the beginning of the body to the rules and puts it back.
func inspectBody(tx types.Transaction, r *http.Request) (*types.Interruption, error) {
	seen, err := io.ReadAll(io.LimitReader(r.Body, wafBodyMax+1))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(seen), r.Body), r.Body}
	if len(seen) <= wafBodyMax {
		if stopped, _, err := tx.WriteRequestBody(seen); err != nil || stopped != nil {
			return stopped, inspecting(err)
		}
	}
	stopped, err := tx.ProcessRequestBody()
	return stopped, inspecting(err)
}

func inspecting(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("inspect the body: %w", err)
}

const (
	// ruleBlocking is the core rule set's own verdict: the anomaly score of a request is 5 or more.
	ruleBlocking = 949110
	rulesShown   = 8
)

// scored reports whether the core rule set would have refused, in the mode that only looks.
func scored(tx types.Transaction) bool {
	for _, match := range tx.MatchedRules() {
		if match.Rule().ID() == ruleBlocking {
			return true
		}
	}
	return false
}

// rulesOf lists the numbers of what matched, and nothing of the request.
func rulesOf(tx types.Transaction) string {
	var text []byte
	shown := 0
	for _, match := range tx.MatchedRules() {
		if match.Message() != "" && shown < rulesShown {
			text = append(strconv.AppendInt(text, int64(match.Rule().ID()), 10), ' ')
			shown++
		}
	}
	return string(bytes.TrimSpace(text))
}
