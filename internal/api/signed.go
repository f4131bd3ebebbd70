package api

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/feiqian/feiqian/internal/httpsig"
)

// checkSignature looks at the signature of a merchant's request: where there is one it must hold, and where the
// merchant requires one it must be there. Requests without cost nothing.
func (e *endpoint) checkSignature(ctx context.Context, x *exchange) error {
	check := e.server.options.CheckSignature
	_, given := x.request.Header["Signature-Input"]
	if check == nil || e.Unsigned || (!given && !x.caller.MustSign) {
		return nil
	}
	body, err := e.takeBody(x)
	if err != nil {
		return err
	}
	return check(ctx, x.caller.Merchant, e.server.messageOf(x.request, body))
}

// takeBody reads the whole body and puts it back for the plan.
func (e *endpoint) takeBody(x *exchange) ([]byte, error) {
	if e.plan.body == nil || x.request.Body == nil {
		return nil, nil // a body that is there is refused by the plan
	}
	var buffer bodyBuffer
	if x.request.ContentLength != 0 {
		if err := fill(&buffer, x, e.plan.bodyMax); err != nil {
			return nil, err
		}
	}
	x.request.Body = io.NopCloser(bytes.NewReader(buffer.bytes.Bytes()))
	return buffer.bytes.Bytes(), nil
}

// messageOf returns a request as it was signed. Behind a proxy that we trust the scheme is what it says.
func (s *Server) messageOf(r *http.Request, body []byte) httpsig.Message {
	scheme := "http"
	if s.overTLS(r) {
		scheme = "https"
	}
	return httpsig.Message{
		Method: r.Method, Scheme: scheme, Authority: authority(r.Host, scheme), Path: r.URL.EscapedPath(),
		RawQuery: r.URL.RawQuery, Header: r.Header, Body: body,
	}
}

// authority returns a host in lower case without its scheme's own port (RFC 9421 §2.2.3).
func authority(host, scheme string) string {
	host = strings.ToLower(host)
	name, port, err := net.SplitHostPort(host)
	if err == nil && ((scheme == "http" && port == "80") || (scheme == "https" && port == "443")) {
		if strings.Contains(name, ":") {
			return "[" + name + "]"
		}
		return name
	}
	return host
}
