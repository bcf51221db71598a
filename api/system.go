package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"plimsoll/api/oas"
	"plimsoll/internal/build"
	"plimsoll/internal/log"
	"plimsoll/persistence"
)

// Services lists the processes that report.
type Services interface {
	List(ctx context.Context) ([]persistence.Service, error)
}

const (
	// apiPrefix is what a ping answers.
	apiPrefix = "v2"
	// apiVersion is compared literally by clients; anything else means an older server to them.
	apiVersion = "2"
	// serviceSilence is how long a process may not report before it counts as down.
	serviceSilence = 90 * time.Second
	// readyTimeout bounds the question whether the database is usable.
	readyTimeout = 5 * time.Second
)

// ready answers the readiness probe.
func (a *API) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := a.deps.Ready(ctx); err != nil {
		message := "The service is not ready: its database does not answer."
		if errors.Is(err, persistence.ErrSchemaOld) || errors.Is(err, persistence.ErrSchemaNew) {
			message = "The service is not ready: the version of the database schema does not fit this program; run `plimsoll migrate` of the newest version in use."
		}
		writeError(w, r, fail(codeUnavailable, message).because(err))
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (h *handlers) version(ctx context.Context) (oas.ServiceVersion, error) {
	var v oas.ServiceVersion
	schema, err := h.schemaVersion(ctx)
	if err != nil {
		return v, err
	}
	v.Service.Version, v.Service.Build = h.config.CompatVersion, given(build.Current().Version)
	v.Api.Version = apiVersion
	v.Db.SchemaVersion = schema
	return v, nil
}

func (h *handlers) schemaVersion(ctx context.Context) (string, error) {
	core, feeds, err := h.deps.SchemaVersion(ctx)
	if err != nil {
		return "", fmt.Errorf("read schema version: %w", err)
	}
	return fmt.Sprintf("%d.%d", core, feeds), nil
}

func (h *handlers) rootVersion(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	v, err := h.version(ctx)
	if err != nil {
		writeError(w, r, err)
		return
	}
	writeJSON(w, r, http.StatusOK, v)
}

// Ping answers the API prefix.
func (h *handlers) Ping(context.Context, oas.PingRequestObject) (oas.PingResponseObject, error) {
	return oas.Ping200JSONResponse(apiPrefix), nil
}

// GetHealth says that the process serves.
func (h *handlers) GetHealth(context.Context, oas.GetHealthRequestObject) (oas.GetHealthResponseObject, error) {
	return oas.GetHealth200Response{}, nil
}

// GetVersion tells versions.
func (h *handlers) GetVersion(ctx context.Context, _ oas.GetVersionRequestObject) (oas.GetVersionResponseObject, error) {
	v, err := h.version(ctx)
	if err != nil {
		return nil, err
	}
	return oas.GetVersion200JSONResponse(v), nil
}

// GetStatus tells the state of this process.
func (h *handlers) GetStatus(ctx context.Context, _ oas.GetStatusRequestObject) (oas.GetStatusResponseObject, error) {
	schema, err := h.schemaVersion(ctx)
	if err != nil {
		return nil, err
	}
	return oas.GetStatus200JSONResponse(statusResponse(true, "all good", build.Current().Version, schema)), nil
}

func statusResponse(up bool, message, version, schema string) oas.StatusResponse {
	return oas.StatusResponse{Available: up, Up: up, Message: message, Version: version, DbVersion: schema, Detail: map[string]any{}}
}

// GetSystem tells the state of all processes.
func (h *handlers) GetSystem(ctx context.Context, _ oas.GetSystemRequestObject) (oas.GetSystemResponseObject, error) {
	services, err := h.services(ctx, func(persistence.Service) bool { return true })
	if err != nil {
		return nil, err
	}
	return oas.GetSystem200JSONResponse{ServiceStates: services}, nil
}

// ListServices lists all processes.
func (h *handlers) ListServices(ctx context.Context, _ oas.ListServicesRequestObject) (oas.ListServicesResponseObject, error) {
	services, err := h.services(ctx, func(persistence.Service) bool { return true })
	return oas.ListServices200JSONResponse(services), err
}

// ListServiceInstances lists the processes that serve under one name.
func (h *handlers) ListServiceInstances(ctx context.Context, req oas.ListServiceInstancesRequestObject) (oas.ListServiceInstancesResponseObject, error) {
	services, err := h.services(ctx, func(s persistence.Service) bool { return s.Name == req.ServiceName })
	return oas.ListServiceInstances200JSONResponse(services), err
}

// GetServiceInstance shows one process.
func (h *handlers) GetServiceInstance(ctx context.Context, req oas.GetServiceInstanceRequestObject) (oas.GetServiceInstanceResponseObject, error) {
	services, err := h.services(ctx, func(s persistence.Service) bool { return s.Name == req.ServiceName && s.HostID == req.HostId })
	if err != nil {
		return nil, err
	}
	if len(services) == 0 {
		return nil, fail(codeServiceNotFound, fmt.Sprintf("There is no instance %s of the service %s.", req.HostId, req.ServiceName))
	}
	return oas.GetServiceInstance200JSONResponse(services), nil
}

func (h *handlers) services(ctx context.Context, wanted func(persistence.Service) bool) (oas.ServiceList, error) {
	schema, err := h.schemaVersion(ctx)
	if err != nil {
		return nil, err
	}
	stored, err := h.deps.Services.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	answer := oas.ServiceList{}
	now := time.Now()
	for _, s := range stored {
		if !wanted(s) {
			continue
		}
		up, message := true, "available"
		if silence := now.Sub(s.HeartbeatAt); silence > serviceSilence {
			up, message = false, "silent since "+s.HeartbeatAt.UTC().Format(time.RFC3339)
			log.From(ctx).Debug("a service is silent", zap.String(log.KeyComponent, s.Name), zap.Duration(log.KeyDuration, silence))
		}
		answer = append(answer, oas.Service{
			HostId: s.HostID, ServiceName: s.Name, BaseUrl: s.BaseURL, Status: up, StatusMessage: message, Version: s.Version,
			ServiceDetail: statusResponse(up, message, s.Version, schema),
		})
	}
	return answer, nil
}

// ListErrorCodes answers the catalogue.
func (h *handlers) ListErrorCodes(context.Context, oas.ListErrorCodesRequestObject) (oas.ListErrorCodesResponseObject, error) {
	return oas.ListErrorCodes200JSONResponse(each(failures, func(f failure) oas.AnchoreErrorCode {
		return oas.AnchoreErrorCode{Name: f.code, Description: f.meaning}
	})), nil
}
