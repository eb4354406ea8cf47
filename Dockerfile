# The worker, on CPU or on a GPU. The lock pins torch with its CUDA libraries, which torchaudio needs to load and which
# are most of either image; what is only for compiling is left out. Packages are pinned by hash, the base by digest:
# `python -m ops.images` asks the registry for a newer one.
#   docker build --target cpu -t tidegate:cpu .
#   docker build --target cuda -t tidegate:cuda .
FROM python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/venv
COPY requirements.lock /tmp/requirements.lock
RUN /opt/venv/bin/pip install --require-hashes --no-deps -r /tmp/requirements.lock \
 && cd /opt/venv/lib/python3.11/site-packages \
 && rm -rf triton torch/include torch/share nvidia/*/include nvidia/*/*/include pip \
 && find . -name '*.a' -delete \
 && find . -name '__pycache__' -prune -exec rm -rf {} +

FROM python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d AS worker
RUN useradd --system --uid 10001 --no-create-home --home-dir /tmp tidegate
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY worker worker
COPY policies policies
# Nothing is written but to /tmp, so the root may be mounted read-only; no model is fetched at run time.
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp HF_HOME=/tmp/hf HF_HUB_OFFLINE=1
USER 10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# The models load first: half a minute on a slow machine.
HEALTHCHECK --interval=10s --timeout=3s --start-period=90s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["python", "-m", "worker"]
CMD ["run", "-c", "/etc/tidegate/tidegate.toml"]

# The driver's own libraries come from the host, by NVIDIA's container toolkit.
FROM worker AS cuda
ENV TIDEGATE_MODELS__DEVICE=cuda NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

# The last one is what a build without --target gives.
FROM worker AS cpu
ENV TIDEGATE_MODELS__DEVICE=cpu
