package api

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"plimsoll/api/oas"
	"plimsoll/engine/feed/bundle"
	"plimsoll/engine/feed/relay"
	"plimsoll/internal/log"
	"plimsoll/persistence"
	"plimsoll/persistence/feedbundle"
	"plimsoll/workflows"
)

// fieldBytes bounds a field of the form that is no data.
const fieldBytes = 1 << 10

// maxUploadFaults bounds how many reasons a refusal lists: a bundle may be too old for every one of its groups.
const maxUploadFaults = 50

// sentData is what a form brought.
type sentData struct {
	persistence.FeedUpload
	received bool
	checksum string
	built    *time.Time
}

// UploadFeed takes feed data in, checks all of it, and has a worker take it over.
func (h *handlers) UploadFeed(ctx context.Context, req oas.UploadFeedRequestObject) (oas.UploadFeedResponseObject, error) {
	c := choice(&req.Feed, req.Params.Group)
	document := orElse(req.Params.Format, oas.Bundle) == oas.Document
	if err := h.uploadTarget(ctx, c, document); err != nil {
		return nil, err
	}
	sent, err := h.receive(ctx, req.Body)
	if err != nil {
		return nil, err
	}
	in := workflows.SyncFeedsInput{
		Source: c.Source, Group: c.Group, Force: orElse(req.Params.Force, false),
		Upload: &workflows.FeedUpload{ID: sent.ID, Digest: sent.Digest, Document: document, Built: sent.built},
	}
	name, err := h.checkUpload(ctx, in, sent)
	var run string
	if err == nil {
		run, err = h.deps.Starter.UploadFeed(ctx, in)
	}
	if err != nil {
		return nil, h.dropUpload(ctx, sent, err)
	}
	return oas.UploadFeed202JSONResponse{
		Message:     "The data is intact and is being taken over; GET /system/feed-tasks?workflow_run=" + run + " tells how far it is.",
		WorkflowRun: run, Checksum: sent.Digest, Size: sent.Size, DatasetName: given(name),
	}, nil
}

// uploadTarget makes sure that a request is about something before its body is read.
func (h *handlers) uploadTarget(ctx context.Context, c persistence.FeedChoice, document bool) error {
	if !document {
		if c.Group != "" {
			return fail(codeInvalidRequest, "A bundle names its groups itself; group is for format=document.")
		}
		return h.knownChoice(ctx, c)
	}
	if c.Source == "" {
		return fail(codeInvalidRequest, "A document is of one source: name that in the path, such as /system/feeds/osv.")
	}
	if _, err := h.deps.Exchange.Document(c.Source, c.Group); err != nil {
		return fail(codeNotFound, fmt.Sprintf("%v; GET /system/feeds lists the sources and their groups.", err)).because(err)
	}
	return nil
}

// receive stores the data of a form.
func (h *handlers) receive(ctx context.Context, form *multipart.Reader) (sent sentData, err error) {
	defer func() {
		if err != nil && sent.received {
			err = h.dropUpload(ctx, sent, err)
		}
	}()
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return sent, formProblem(ctx, err)
		}
		if err := h.field(ctx, &sent, part); err != nil {
			return sent, err
		}
	}
	if !sent.received {
		return sent, fail(codeInvalidRequest, "The form has no field data with the bundle or document.")
	}
	if want := strings.ToLower(strings.TrimPrefix(sent.checksum, "sha256:")); want != "" && "sha256:"+want != sent.Digest {
		return sent, fail(codeFeedDataInvalid, fmt.Sprintf("The data has the checksum %s and should have %s: it was changed or cut off on its way.", sent.Digest, sent.checksum))
	}
	return sent, nil
}

func (h *handlers) field(ctx context.Context, sent *sentData, part *multipart.Part) (err error) {
	name := part.FormName()
	if name == "data" {
		if sent.received {
			return fail(codeInvalidRequest, "The form has two fields data.")
		}
		if sent.FeedUpload, err = h.deps.Exchange.Store.ReceiveUpload(ctx, part, time.Now()); err != nil {
			return formProblem(ctx, err)
		}
		sent.received = true
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(part, fieldBytes))
	if err != nil {
		return formProblem(ctx, err)
	}
	switch name {
	case "checksum":
		sent.checksum = string(text)
		if sum, err := hex.DecodeString(strings.TrimPrefix(sent.checksum, "sha256:")); err != nil || len(sum) != 32 {
			return fail(codeInvalidRequest, "The field checksum is not a SHA-256 in hex.")
		}
	case "built_at":
		at, err := time.Parse(time.RFC3339, string(text))
		if err != nil {
			return fail(codeInvalidRequest, "The field built_at is not a time such as 2026-03-01T12:00:00Z.").because(err)
		}
		sent.built = &at
	default:
		return fail(codeInvalidRequest, "The form has a field that is none of data, checksum and built_at.")
	}
	return nil
}

// formProblem classifies why a form could not be read to its end.
func formProblem(ctx context.Context, err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fail(codeTooLarge, fmt.Sprintf("The data is larger than the %d bytes the server accepts (api.max_feed_upload_bytes).", tooLarge.Limit))
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, multipart.ErrMessageTooLarge), strings.HasPrefix(err.Error(), "multipart:"):
		return fail(codeInvalidRequest, "The body is no multipart form, or ended before its time.").because(err)
	}
	return err
}

// dropUpload removes what was received, and returns why.
func (h *handlers) dropUpload(ctx context.Context, sent sentData, why error) error {
	if err := h.deps.Exchange.Store.DropUpload(context.WithoutCancel(ctx), sent.ID); err != nil {
		log.From(ctx).Warn("feed upload not removed; it goes with the old ones", zap.Error(err))
	}
	return why
}

// checkUpload reads all of what was sent, and returns the name of the data set if it has one.
func (h *handlers) checkUpload(ctx context.Context, in workflows.SyncFeedsInput, sent sentData) (string, error) {
	content, err := h.deps.Exchange.Store.Upload(ctx, sent.ID, sent.Digest)
	if err != nil {
		return "", err
	}
	name, err := h.deps.Exchange.check(ctx, in, content)
	switch {
	case content.Fault() != nil:
		return "", content.Fault()
	case ctx.Err() != nil:
		return "", ctx.Err()
	}
	return name, uploadFault(err)
}

// uploadFaults tell what is wrong with feed data. The first line that fits counts.
var uploadFaults = []struct {
	err  error
	code string
}{
	{bundle.ErrUntrusted, codeFeedUntrusted},
	{bundle.ErrOlder, codeFeedOlder},
	{bundle.ErrBase, codeFeedGap},
	{persistence.ErrShrunk, codeFeedRefused},
	{feedbundle.ErrOther, codeFeedDataInvalid},
	{feedbundle.ErrForm, codeFeedDataInvalid},
	{feedbundle.ErrDocument, codeFeedDataInvalid},
	{bundle.ErrBundle, codeFeedDataInvalid},
	{relay.ErrDocument, codeFeedDataInvalid},
}

func uploadFault(err error) error {
	for _, f := range uploadFaults {
		if !errors.Is(err, f.err) {
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		message := "Nothing was taken over: " + lines[0]
		if len(lines) > 1 {
			message += fmt.Sprintf(" (and %d more, see detail.validation_details)", len(lines)-1)
		}
		return fail(f.code, message+".").with("validation_details", lines[:min(len(lines), maxUploadFaults)]).because(err)
	}
	return err
}
