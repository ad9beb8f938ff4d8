# A worker image, or any pgqueue command: docker run IMAGE worker myapp.jobs:app
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt pytest_pgqueue.py README.md LICENSE CHANGELOG.md ./
COPY sql sql
COPY migrations migrations
COPY pgqueue pgqueue
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir -c constraints.txt '.[fast,api]'

FROM python:3.12-slim
COPY --from=build /venv /venv
COPY examples /app/examples
ENV PATH=/venv/bin:$PATH
WORKDIR /app
USER 10001:10001
ENTRYPOINT ["pgqueue"]
CMD ["--help"]
