package issuer

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/sandbox"
)

// sentCode is a code as the control API shows it.
type sentCode struct {
	Reference string `json:"reference"`
	Phone     string `json:"phone"`
	Last4     string `json:"last4"`
	Status    string `json:"status"`
	Code      string `json:"code"`
	SentAt    string `json:"sent_at"`
}

func (s *Server) controlRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /control/cards", func(w http.ResponseWriter, r *http.Request) {
		cards, err := s.Cards(r.Context())
		s.show(w, r, map[string]any{"cards": cards}, err)
	})
	mux.HandleFunc("POST /control/cards", func(w http.ResponseWriter, r *http.Request) {
		var c Card
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
		if err != nil || !sandbox.Strict(body, &c) || c.Number == "" || c.Holder == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.show(w, r, c, s.AddCard(r.Context(), c))
	})
	mux.HandleFunc("GET /control/codes", func(w http.ResponseWriter, r *http.Request) {
		codes, err := s.codes(r)
		s.show(w, r, map[string]any{"codes": codes}, err)
	})
	mux.HandleFunc("GET /control/magic_numbers", func(w http.ResponseWriter, r *http.Request) {
		s.show(w, r, MagicNumbers(), nil)
	})
}

// codes lists the codes that were sent last, newest first.
func (s *Server) codes(r *http.Request) ([]sentCode, error) {
	rows, err := s.db.QueryContext(r.Context(), `SELECT b.reference, c.phone, substr(b.number, -4), b.status, b.code,
		b.created_at FROM bindings b JOIN cards c ON c.number = b.number ORDER BY b.created_at DESC LIMIT 100`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	codes := []sentCode{}
	for rows.Next() {
		var (
			c  sentCode
			at int64
		)
		if err := rows.Scan(&c.Reference, &c.Phone, &c.Last4, &c.Status, &c.Code, &at); err != nil {
			return nil, err
		}
		c.SentAt = clock.FromMicros(at).Format("2006-01-02T15:04:05Z")
		codes = append(codes, c)
	}
	return codes, rows.Err()
}

func (s *Server) show(w http.ResponseWriter, r *http.Request, value any, err error) {
	var body []byte
	if err == nil {
		body, err = json.MarshalIndent(value, "", "  ")
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		s.config.Log.ErrorContext(r.Context(), "the issuer's control failed", slog.Any("error", err))
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(body) // the client left
}
