// Package smshttp hands texts to an SMS centre over HTTP: POST /sms/v1/messages with a bearer key, JSON
// {"id", "to", "text", "expires_at"}. The centre delivers once for each id: 202 it has it (also when it had it before),
// 4xx it will never take it, anything else try again.
package smshttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/message"
)

// Config says where the centre is. Key is the bearer key; Client must have a time-out.
type Config struct {
	BaseURL string
	Key     string
	Client  *http.Client
}

// Sender is the SMS centre as a message.Sender. It is safe for many goroutines.
type Sender struct {
	url    string
	key    string
	client *http.Client
}

// New returns the sender. It does not call the centre. Errors: a setting that is missing or wrong.
func New(c Config) (*Sender, error) {
	base, err := url.Parse(c.BaseURL)
	switch {
	case err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https"):
		return nil, errors.New("SMS centre: BaseURL must be an http or https address")
	case c.Key == "":
		return nil, errors.New("SMS centre: Key is missing")
	case c.Client == nil || c.Client.Timeout <= 0:
		return nil, errors.New("SMS centre: Client must have a time-out")
	}
	return &Sender{url: base.JoinPath("/sms/v1/messages").String(), key: c.Key, client: c.Client}, nil
}

type submit struct {
	ID        string    `json:"id"`
	To        string    `json:"to"`
	Text      string    `json:"text"`
	ExpiresAt time.Time `json:"expires_at"`
}

const answerMax = 1 << 10

// Send hands one text over. Errors: sms.refused (Invalid), sms.failed (Unavailable). No error quotes what was sent.
func (s *Sender) Send(ctx context.Context, m message.Message) error {
	body, err := json.Marshal(submit{ID: string(m.ID), To: m.To, Text: m.Text, ExpiresAt: m.ExpiresAt})
	if err != nil {
		return fmt.Errorf("write %s: %w", m.ID, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("send %s: %w", m.ID, err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+s.key)
	response, err := s.client.Do(request)
	if err != nil {
		return fault.New(fault.Unavailable, "sms.failed", "the SMS centre did not answer").WithCause(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, answerMax)) // so that the connection is used again
	switch status := response.StatusCode; status {
	case http.StatusAccepted:
		return nil
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusGone:
		return fault.Newf(fault.Invalid, "sms.refused", "the SMS centre refused the text (%d)", status)
	default:
		return fault.Newf(fault.Unavailable, "sms.failed", "the SMS centre answered %d", status)
	}
}
