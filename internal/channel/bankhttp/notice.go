package bankhttp

import (
	"encoding/json"
	"errors"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/id"
)

// noticeMax is the longest notice we read, in bytes.
const noticeMax = 64 << 10

// ReadNotice implements channel.NoticeReader: the callback must be signed by the bank for this very
// path, within the last minutes.
func (c *Channel) ReadNotice(callback channel.Callback) (channel.Notice, error) {
	if len(callback.Body) > noticeMax {
		return channel.Notice{}, badNotice(errors.New("the body is too long"))
	}
	signature, err := httpsig.Verify(httpsig.Message{
		Method: callback.Method, Path: callback.Path, RawQuery: callback.RawQuery,
		Header: callback.Header, Body: callback.Body,
	}, c.bankKey, c.clock.Now())
	if err != nil {
		return channel.Notice{}, badNotice(err)
	}
	notice, err := parseNotice(callback.Body, c.capabilities)
	if err != nil {
		return channel.Notice{}, badNotice(err)
	}
	notice.SignedAt = signature.Created
	return notice, nil
}

// parseNotice reads the body of a notice.
func parseNotice(body []byte, capabilities channel.Capabilities) (channel.Notice, error) {
	var told orderAnswer
	if err := json.Unmarshal(body, &told); err != nil {
		return channel.Notice{}, err
	}
	kind := channel.Kind(told.Kind)
	switch {
	case told.NoticeID == "" || told.Reference == "":
		return channel.Notice{}, errors.New("a notice without notice_id and reference")
	case kind != channel.KindPayIn && kind != channel.KindPayOut && kind != channel.KindRefund:
		return channel.Notice{}, errors.New("a notice about no kind of order")
	}
	if err := told.CheckPositive(); err != nil {
		return channel.Notice{}, err
	}
	result, err := told.result(capabilities)
	if err != nil {
		return channel.Notice{}, err
	}
	return channel.Notice{
		ID: told.NoticeID, Reference: id.Attempt(told.Reference), Kind: kind, Result: result, Amount: told.Amount,
	}, nil
}

func badNotice(err error) error {
	return fault.New(fault.Invalid, channel.CodeBadNotice,
		"the notice is not signed by the bank, or not readable").WithCause(err)
}
