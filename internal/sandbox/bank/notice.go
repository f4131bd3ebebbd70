package bank

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/httpsig"
)

const (
	// noticeTimeout is how long the receiver of a notice may take.
	noticeTimeout = 5 * time.Second
	// noticesAtOnce is how many notices go out side by side.
	noticesAtOnce = 16
	// restMax is the longest rest between two looks at the books; a moved clock is seen within it.
	restMax = 100 * time.Millisecond
)

// retryDelay returns the wait before the next try after tries failed ones; false gives up.
func retryDelay(tries int64) (time.Duration, bool) {
	table := []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute}
	if tries < 1 || tries > int64(len(table)) {
		return 0, false
	}
	return table[tries-1], true
}

func newNoticeClient() *http.Client {
	return &http.Client{
		Timeout:       noticeTimeout,
		Transport:     &http.Transport{MaxIdleConnsPerHost: noticesAtOnce, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// announce writes the notices of a decided order, in the transaction that decided it.
func (s *Server) announce(ctx context.Context, tx *sql.Tx, o order, effect Effect) error {
	now := s.clock.Now()
	n := notice{id: "ntc_" + rand.Text(), order: o, dueAt: clock.Micros(now)}
	copies := 1
	switch effect { //nolint:exhaustive // the other effects change nothing about the notice.
	case EffectNoticeThrice:
		copies = 3
	case EffectNoticeLate:
		n.dueAt = clock.Micros(now.Add(s.timing.LateNotice))
	case EffectNoticeContradicts:
		lie := n
		lie.id, lie.dueAt = "ntc_"+rand.Text(), clock.Micros(now.Add(s.timing.Contradiction))
		lie.order.decline(declineDoNotHonor)
		if err := insertNotice(ctx, tx, lie); err != nil {
			return err
		}
	}
	for range copies {
		if err := insertNotice(ctx, tx, n); err != nil {
			return err
		}
	}
	return nil
}

// notice is one row of notices with its order as the notice tells it.
type notice struct {
	row   int64
	id    string
	order order
	tries int64
	dueAt int64
}

func insertNotice(ctx context.Context, tx *sql.Tx, n notice) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO notices (notice_id, reference, status, decline_code, state, tries, due_at)
		VALUES ($1, $2, $3, $4, 'due', 0, $5)`, n.id, n.order.reference, n.order.status, n.order.declineCode, n.dueAt)
	return err
}

// Resend sends the notices of reference again, with their ids. It reports how many there are.
func (s *Server) Resend(ctx context.Context, reference string) (int64, error) {
	result, err := s.db.ExecContext(ctx, `UPDATE notices SET state = 'due', tries = 0, due_at = $1
		WHERE reference = $2 AND state <> 'due'`, clock.Micros(s.clock.Now()), reference)
	if err != nil {
		return 0, err
	}
	s.nudge()
	return result.RowsAffected()
}

// nudge wakes the worker.
func (s *Server) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// work settles pending orders and sends notices until ctx ends or Close.
func (s *Server) work(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		if err := s.settle(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "pending orders could not be settled", slog.Any("error", err))
		}
		if err := s.sendDue(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "notices could not be sent", slog.Any("error", err))
		}
		timer := time.NewTimer(restMax)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// sendDue sends the notices whose time has come, some at once, and writes down what became of them.
func (s *Server) sendDue(ctx context.Context) error {
	s.mu.Lock()
	target := s.notifyURL
	s.mu.Unlock()
	if target == "" {
		return nil
	}
	due, err := s.dueNotices(ctx)
	if err != nil {
		return err
	}
	delivered := make([]bool, len(due))
	var sending sync.WaitGroup
	for i, n := range due {
		sending.Go(func() {
			err := s.send(ctx, target, n)
			delivered[i] = err == nil
			if err != nil && ctx.Err() == nil {
				s.log.InfoContext(ctx, "a notice was not taken", slog.String("notice", n.id), slog.Any("error", err))
			}
		})
	}
	sending.Wait()
	if ctx.Err() != nil || len(due) == 0 {
		return ctx.Err()
	}
	return s.recordSent(ctx, due, delivered)
}

func (s *Server) dueNotices(ctx context.Context) ([]notice, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT n.id, n.notice_id, n.tries, n.status, n.decline_code, o.reference, o.kind,
		o.amount_minor, o.currency, o.bank_reference, o.booked_at
		FROM notices n JOIN orders o ON o.reference = n.reference
		WHERE n.state = 'due' AND n.due_at <= $1 ORDER BY n.due_at, n.id LIMIT $2`,
		clock.Micros(s.clock.Now()), noticesAtOnce)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var due []notice
	for rows.Next() {
		var n notice
		o := &n.order
		if err := rows.Scan(&n.row, &n.id, &n.tries, &o.status, &o.declineCode, &o.reference, &o.kind,
			&o.amount.Minor, &o.amount.Currency, &o.bankReference, &o.bookedAt); err != nil {
			return nil, err
		}
		if o.status != statusSucceeded {
			o.bookedAt = 0
		}
		due = append(due, n)
	}
	return due, rows.Err()
}

// send posts one notice, signed now.
func (s *Server) send(ctx context.Context, target string, n notice) error {
	told := n.order.answer()
	told.NoticeID = n.id
	body, err := json.Marshal(told)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	message := httpsig.Message{
		Method: request.Method, Path: request.URL.EscapedPath(), RawQuery: request.URL.RawQuery,
		Header: request.Header, Body: body,
	}
	if err := httpsig.Sign(message, s.keys.Bank, s.clock.Now()); err != nil {
		return err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, bodyMax) // so that the connection is used again
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("the receiver answered %d", response.StatusCode)
	}
	return nil
}

func (s *Server) recordSent(ctx context.Context, sent []notice, delivered []bool) error {
	return inTx(ctx, s.db, func(tx *sql.Tx) error {
		now := s.clock.Now()
		for i, n := range sent {
			state, dueAt := "delivered", n.dueAt
			if !delivered[i] {
				state = "given_up"
				if delay, again := retryDelay(n.tries + 1); again {
					state, dueAt = "due", clock.Micros(now.Add(delay))
				}
			}
			if _, err := tx.ExecContext(ctx, `UPDATE notices SET state = $1, tries = $2, due_at = $3 WHERE id = $4`,
				state, n.tries+1, dueAt, n.row); err != nil {
				return err
			}
		}
		return nil
	})
}
